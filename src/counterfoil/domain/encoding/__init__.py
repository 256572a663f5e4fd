"""From evidence to a unit vector: numeric, cyclic, category, text and vote blocks, weighted and joined."""
