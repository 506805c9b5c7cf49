"""The checkout, its git repository, and worktrees of it."""
