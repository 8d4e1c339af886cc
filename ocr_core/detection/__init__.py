"""Where text is: detector networks and what turns their maps into quads."""
