"""The strategies that come with the project, one file each."""
