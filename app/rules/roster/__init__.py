"""学籍 (chapters 19-21): who may register where, the library of student records, and its moves.

`admission` is the truth table of R19.4; `policy` sets what it is asked with; `records` is the
library; `moves` tells of records that another site has taken over; `autoload` fills a form in.
"""
