"""What several helps say: paths and names of columns."""

HERE = "(relative to the current folder)"
PROJECT = "(relative to the project)"  # a run's folder does not depend on where the command is called
RUN_HELP = f"Folder of a run {PROJECT}."
