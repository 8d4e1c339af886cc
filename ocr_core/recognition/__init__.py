"""What a line says: recogniser networks and what turns their frames into text."""
