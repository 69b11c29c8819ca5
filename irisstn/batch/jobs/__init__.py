"""What each folder command does to one input: a function from a file's content to output files and a record.

job           the protocol that the runner uses
input_kind    what a picture shows: a whole eye, a ring, or a strip
segment       `irisstn segment`
rectify       `irisstn rectify`
embed         `irisstn embed`
"""
