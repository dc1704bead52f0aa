"""What a person reads about a build."""
