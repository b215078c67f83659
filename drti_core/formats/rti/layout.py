"""What reader and writer of .rti files share.

A file is text (a signature, comments, the type, the sizes), float32 scales and biases of the
terms, pixels row by row from the top, each with all terms of red, of green and of blue, and
perhaps an XMP packet.
"""

#: First line of a file.
MAGIC = "#HSH1.2"
#: Colours of a pixel; the header states them, but they are always three.
COLOURS = 3
