"""Chapter 2: texts into vectors."""
