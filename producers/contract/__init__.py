"""What callers may say and what they are answered: pure, in the words of the API."""
