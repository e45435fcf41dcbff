"""Where facts about running processes come from: siblings behind one Protocol."""
