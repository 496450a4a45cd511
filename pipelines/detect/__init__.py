"""From closed minutes to findings: which series there are, what is normal for them, and which are not."""
