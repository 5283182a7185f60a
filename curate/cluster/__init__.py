"""Parts of large work: of job arrays, and on clusters."""
