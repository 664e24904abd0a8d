# The public headers, installed as they stand.
tenonincludedir = $(includedir)/tenon
tenoninclude_HEADERS = %D%/tenon/status.h %D%/tenon/module.h
