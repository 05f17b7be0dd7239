"""Chapter 2: encoders turn texts and other contents into vectors."""
