"""Where facts about running processes come from: one folder per source, behind one Protocol."""
