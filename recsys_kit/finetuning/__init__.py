"""Chapter 3: a pretrained model learns this shop's language."""
