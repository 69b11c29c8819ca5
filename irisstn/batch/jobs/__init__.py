"""The folder commands, each a function from one input to its files and record: segment, rectify, embed."""
