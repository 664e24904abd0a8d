# SPDX-License-Identifier: Apache-2.0
# What the server reads and writes, without a server.
unit_tests += tests/serve/api_parse tests/serve/api_chat tests/serve/api_media tests/serve/api_response tests/serve/stop \
	tests/serve/breakers tests/serve/watch tests/serve/watch_poll
tests_serve_api_parse_SOURCES = %D%/api_parse.c %D%/parsed.h tests/unit/unit.h
tests_serve_api_parse_CPPFLAGS = $(test_cppflags)
tests_serve_api_parse_LDADD = $(test_ldadd)
tests_serve_api_response_SOURCES = %D%/api_response.c tests/unit/unit.h
tests_serve_api_response_CPPFLAGS = $(test_cppflags)
tests_serve_api_response_LDADD = $(test_ldadd)
tests_serve_stop_SOURCES = %D%/stop.c tests/unit/unit.h
tests_serve_stop_CPPFLAGS = $(test_cppflags)
tests_serve_stop_LDADD = $(test_ldadd)
tests_serve_api_chat_SOURCES = %D%/api_chat.c %D%/parsed.h tests/unit/unit.h
tests_serve_api_chat_CPPFLAGS = $(test_cppflags)
tests_serve_api_chat_LDADD = $(test_ldadd)
tests_serve_api_media_SOURCES = %D%/api_media.c %D%/parsed.h tests/unit/unit.h
tests_serve_api_media_CPPFLAGS = $(test_cppflags)
tests_serve_api_media_LDADD = $(test_ldadd)
tests_serve_breakers_SOURCES = %D%/breakers.c tests/unit/unit.h
tests_serve_breakers_CPPFLAGS = $(test_cppflags)
tests_serve_breakers_LDADD = $(test_ldadd)
tests_serve_watch_SOURCES = %D%/watch.c tests/unit/unit.h
tests_serve_watch_CPPFLAGS = $(test_cppflags)
tests_serve_watch_LDADD = $(test_ldadd)
# The other half of the same source, with the tests of the first.
tests_serve_watch_poll_SOURCES = %D%/watch_poll.c tests/unit/unit.h
tests_serve_watch_poll_CPPFLAGS = $(test_cppflags)
tests_serve_watch_poll_LDADD = $(test_ldadd)
unit_tests += tests/serve/residency
tests_serve_residency_SOURCES = %D%/residency.c tests/unit/unit.h
tests_serve_residency_CPPFLAGS = $(test_cppflags)
tests_serve_residency_LDADD = $(test_ldadd)
