"""Every advisory that was published of Python's crawlers and of the HTTP clients below them, and our answer to it.

A row has the names under which it is known, what happened in one clause, and the tests that show what happens here.
Where we have no such thing, the tests show its absence. A test of this folder walks the table.
"""

from __future__ import annotations

from typing import NamedTuple


class Advisory(NamedTuple):
    ids: tuple[str, ...]
    of: str
    what: str
    tests: tuple[str, ...]
    """``folder/file.py::name``, below ``tests``."""
    absent: str = ""
    """What we do not have, if that is the answer."""


_SECRETS = "security/test_origin_secrets.py::test_no_secret_goes_along_to_another_origin"
_WAYS = "security/test_origin_secrets.py::test_no_secret_goes_along_however_a_page_sends_on"
_PROXIED = "security/test_origin_secrets.py::test_no_secret_goes_along_over_a_proxy"
_CHALLENGE = "security/test_origin_secrets.py::test_a_challenge_of_a_foreign_origin_is_not_answered"
_ROBOTS = "security/test_origin_secrets.py::test_robots_txt_takes_the_credentials_of_its_origin_and_of_no_other"
_BODIES = "security/test_origin_secrets.py::test_no_body_is_sent_to_another_origin"
_OWN_PROXY = "security/test_origin_secrets.py::test_each_scheme_of_a_host_goes_over_the_proxy_that_its_table_names"
_ORIGINS = "fetch/test_credentials.py::test_they_go_to_that_origin_alone"
_UNBOUND = "http/test_secrets.py::test_a_secret_that_would_go_to_every_host_is_refused"
_OTHER_PROXY = "fetch/test_proxies.py::test_no_proxy_sees_the_password_of_another"
_SCHEMES = "security/test_old_holes.py::test_what_is_no_http_is_never_opened"
_SEEDS = "security/test_old_holes.py::test_what_is_no_http_is_no_seed_either"
_SCOPE = "security/test_old_holes.py::test_nobody_outside_of_the_crawl_is_asked"
_REDIRECT_BOMB = "security/test_old_holes.py::test_the_body_of_a_redirect_is_neither_unpacked_nor_read_to_its_end"
_BOMBS = "security/test_old_holes.py::test_a_bomb_costs_a_page_and_nothing_else"
_BOMB = "fetch/test_coding.py::test_a_bomb_is_given_up_soon_and_keeps_nobody_waiting"
_LAYERS = "fetch/test_coding.py::test_more_than_two_codings_are_refused"
_FEEDS = "security/test_old_holes.py::test_a_megabyte_of_anything_in_a_feed_takes_no_time"
_PIECES = "security/test_old_holes.py::test_a_page_of_one_piece_is_searched_in_no_time"
_HEADERS = "security/test_old_holes.py::test_no_header_takes_long_to_read"
_LENGTH = "security/test_old_holes.py::test_no_address_takes_long"
_DEPTH = "security/test_old_holes.py::test_deep_json_costs_its_page_alone"
_SHELL = "security/test_old_holes.py::test_the_name_of_a_spider_is_no_command_and_no_path"
_MARKUP = "security/test_old_holes.py::test_markup_from_the_web_is_shown_nowhere_as_markup"
_CANCELLED = "security/test_old_holes.py::test_a_fetch_that_is_cancelled_never_gives_its_answer_to_another"
_BYTES = "security/test_bytes_on_the_wire.py::test_no_control_character_is_sent"
_BYTES_PROXY = "security/test_bytes_on_the_wire.py::test_no_control_character_is_told_to_a_proxy"
_BYTES_SETTINGS = "security/test_bytes_on_the_wire.py::test_no_control_character_is_taken_as_a_setting"
_LISTENS = "security/test_nothing_dangerous.py::test_a_running_crawl_and_its_parse_processes_listen_nowhere"
_CALLS = "security/test_nothing_dangerous.py::test_no_function_calls"
_IMPORTS = "security/test_nothing_dangerous.py::test_no_module_imports"
_NAMED = "security/test_nothing_dangerous.py::test_nothing_that_a_site_names_is_imported_or_called"
_PICKLED = "security/test_nothing_dangerous.py::test_pickled_bytes_in_a_job_are_told_of_and_not_run"
_SCHEMA = "security/test_nothing_dangerous.py::test_a_request_is_read_back_by_its_schema"
_DOORS = "security/test_nothing_dangerous.py::test_no_keyword_opens_a_door"
_FLOORS = "security/test_advisories.py::test_versions_with_known_holes_are_not_installed"
_SITEMAPS = "security/test_tls_and_sitemaps.py::test_no_sitemap_reads_a_file_asks_a_stranger_or_takes_much_memory"
_TLS = "security/test_tls_and_sitemaps.py::test_by_default_no_server_is_taken_for_another"
_SNI = "security/test_tls_and_sitemaps.py::test_two_hosts_of_one_address_never_share_a_connection"
_LAX = "security/test_tls_and_sitemaps.py::test_what_was_not_verified_for_one_host_is_not_used_for_another"
_DOWNGRADE = "security/test_tls_and_sitemaps.py::test_a_way_back_to_http_takes_nothing_along"
_INSIDE = "security/test_private_addresses.py::test_no_public_page_leads_inside"
_INSIDE_PROXY = "security/test_private_addresses.py::test_no_proxy_is_asked_for_a_private_host"
_REBINDING = "security/test_private_addresses.py::test_a_name_that_changes_leads_inside_in_none_of_1000_tries"
_NAMES = "security/test_what_leaves.py::test_forty_hostile_names_are_forty_files_in_the_folder"
_TERMINAL = "cli/test_text.py::test_what_could_steer_a_terminal_is_escaped"
_LOG = "export/test_inert.py::test_no_message_makes_a_line_that_looks_like_another_one"
_ENVIRONMENT = "fetch/test_http_fetcher.py::test_proxy_variables_and_netrc_are_not_heeded"
_MUTATED = "fuzz/test_mutated_responses.py::test_damaged_answers_do_no_harm"
_ENDLESS = "fetch/test_wire.py::test_what_never_ends_is_malformed_before_long"
_CHUNKS = "fetch/test_wire.py::test_tiny_chunks_cost_no_more_than_they_must"
_MEMBERS = "fetch/test_coding.py::test_a_flood_of_empty_members_ends_soon"
_MEMORIES = "fetch/test_resolver.py::test_memories_are_bounded"
_SUFFIXES = "http/test_suffixes.py::test_the_facts_of_the_list_hold"
_DOMAINS = "http/test_cookies.py::test_a_cookie_reaches_its_host_or_its_domain"
_SITES = "fetch/test_cookies_on_the_wire.py::test_a_cookie_does_not_leave_its_site"
_COOKIE_REDIRECT = "fetch/test_cookies_on_the_wire.py::test_a_redirect_to_another_host_takes_no_cookie_along"
_HOST_ONLY = "http/test_cookies.py::test_a_cookie_of_the_host_stays_one_over_a_resume"
_SECURE = "http/test_cookies.py::test_a_secure_cookie_stays_one_over_a_resume"
_SECURE_WIRE = "fetch/test_cookies_on_the_wire.py::test_what_is_secure_goes_over_tls_alone"
_MEMORY = "fetch/test_http_fetcher.py::test_a_body_may_be_as_long_as_max_body_and_no_byte_longer"
_SHARED_MEMORY = "fetch/test_body_memory.py::test_bodies_of_30_mib_that_come_at_once_take_half_a_gigabyte_at_most"

ADVISORIES = [
    # Scrapy and what belongs to it
    Advisory(("CVE-2017-14158", "GHSA-h7wm-ph43-c39p"), "Scrapy", "big files filled the memory while a slow storage took them",
             (_MEMORY, _SHARED_MEMORY)),
    Advisory(("Scrapy 1.5.2",), "Scrapy", "a web page could post to a console that listened on localhost", (_LISTENS, _CALLS),
             "a console, or anything that listens"),
    Advisory(("CVE-2021-41125", "GHSA-jwqp-28gf-p498", "CVE-2021-41124"), "Scrapy, scrapy-splash",
             "one user name and password went to every host, and along with robots.txt", (_ORIGINS, _ROBOTS, _UNBOUND)),
    Advisory(("CVE-2022-0577", "GHSA-cjvr-mfj7-j4j8"), "Scrapy", "a request's cookies followed a redirect to another domain",
             (_SECRETS, _WAYS, _COOKIE_REDIRECT)),
    Advisory(("GHSA-mfjm-vh54-3f96",), "Scrapy", "a cookie for co.uk reached every site below it", (_SUFFIXES, _DOMAINS, _SITES)),
    Advisory(("GHSA-9x8m-2xpf-crp3",), "Scrapy", "a retry over a second proxy told it the password of the first", (_OTHER_PROXY,)),
    Advisory(("CVE-2024-1892", "GHSA-cc65-xxvf-f7r9"), "Scrapy", "a pattern over XML took minutes for a megabyte", (_FEEDS,)),
    Advisory(("CVE-2024-3572", "GHSA-7j7m-v7m3-jqm7", "CVE-2025-6176", "GHSA-2qfp-q593-8484"), "Scrapy",
             "the limit of a body's size was not one of its unpacked size", (_BOMB, _BOMBS)),
    Advisory(("CVE-2024-3574", "GHSA-cw9j-q3vf-hrrv", "CVE-2024-1968", "GHSA-4qqq-9vqf-3h3f"), "Scrapy",
             "Authorization followed a redirect to another domain, then to another scheme or port", (_SECRETS, _WAYS)),
    Advisory(("GHSA-23j4-mw76-5v7h",), "Scrapy", "a redirect could lead to a file of the machine", (_SCHEMES, _SEEDS)),
    Advisory(("GHSA-jm3v-qxmh-hxwv",), "Scrapy", "a redirect to https kept the proxy that was for http", (_OWN_PROXY, _PROXIED)),
    Advisory(("Scrapy 2.11.2 #1042", "#2241", "#6358", "#6265"), "Scrapy",
             "redirects and requests without a callback went past allowed_domains; entities of XML were resolved",
             (_SCOPE, _SITEMAPS)),
    Advisory(("CVE-2026-105782", "GHSA-cwxj-rr6w-m6w7"), "Scrapy", "a header named a Python object, which was imported and called",
             (_NAMED, _CALLS)),
    Advisory(("Scrapy 2.14.2",), "Scrapy", "the body of a POST was sent again to another origin", (_BODIES,)),
    Advisory(("CVE-2026-84366", "GHSA-76g3-c3x4-crvx"), "Scrapy", "a signature for S3 went over plain http", (_IMPORTS,),
             "storage on other machines"),
    Advisory(("Scrapy #676",), "Scrapy", "a sitemap could name a file as an entity", (_SITEMAPS,)),
    Advisory(("scrapyd #518",), "scrapyd", "who reached its port could run code, and leave the folder by a project's name",
             (_LISTENS, _SHELL, _MARKUP), "a control API"),
    Advisory(("scrapy-redis picklecompat", "Scrapling checkpoint.pkl", "Scrapy JOBDIR"), "scrapy-redis, Scrapling, Scrapy",
             "who could write to a queue or a job's folder ran code in the crawler", (_IMPORTS, _PICKLED, _SCHEMA),
             "pickle for what is kept"),
    Advisory(("w3lib remove_tags_with_content",), "w3lib", "160 kB of <script> took 15 seconds", (_PIECES,)),
    # other crawlers
    Advisory(("CVE-2026-46497", "GHSA-3r75-xc34-5f44"), "crawlee", "a sitemap led into the private network", (_INSIDE, _SITEMAPS)),
    Advisory(("CVE-2026-26216",), "crawl4ai", "hooks of an open API were Python, and run", (_LISTENS, _CALLS), "an API, and hooks as text"),
    Advisory(("CVE-2026-26217", "GHSA-vx9w-5cx4-9796"), "crawl4ai", "file:// was fetched", (_SCHEMES, _SEEDS)),
    Advisory(("CVE-2026-53753", "GHSA-qxjp-w3pj-48m7", "GHSA-r253-r9jw-qg44"), "crawl4ai",
             "an expression was let out of its sandbox", (_CALLS,), "expressions that are evaluated"),
    Advisory(("CVE-2026-56266", "CVE-2026-56261", "CVE-2026-53755", "GHSA-6qhc-x826-342c", "CVE-2026-109239", "CVE-2026-91943"),
             "crawl4ai", "private addresses were reached by URLs, proxies, robots.txt and files", (_INSIDE, _INSIDE_PROXY, _REBINDING, _CALLS)),
    Advisory(("CVE-2026-57571", "GHSA-2jq4-q6vv-4cp3", "CVE-2026-91940", "crawl4ai 2026-07-09"), "crawl4ai",
             "a server chose where its file was written", (_NAMES,)),
    Advisory(("crawl4ai 0.8.7",), "crawl4ai", "URLs ran in a dashboard, wrote lines into logs, and a secret was the same for all",
             (_MARKUP, _LOG, _TERMINAL, _LISTENS), "a dashboard"),
    Advisory(("CVE-2020-7698", "CVE-2021-32849", "CVE-2021-43857", "CVE-2021-44597"), "Gerapy",
             "the name of a project was a command of the shell", (_CALLS, _IMPORTS, _SHELL), "a shell"),
    # aiohttp
    Advisory(("CVE-2026-34518", "GHSA-966j-vmvw-g2g9", "#12275", "CVE-2026-47265", "GHSA-hg6j-4rv6-33pg", "#13180"), "aiohttp",
             "cookies and Proxy-Authorization crossed origins, or the second copy of a header did", (_SECRETS, _WAYS, _PROXIED, _FLOORS)),
    Advisory(("#12829", "CVE-2026-54276", "#12825"), "aiohttp", "passwords of the environment's proxy, and Digest answers, were used after a redirect",
             (_CHALLENGE, _ENVIRONMENT, _OWN_PROXY)),
    Advisory(("CVE-2026-54275", "GHSA-4m7w-qmgq-4wj5"), "aiohttp", "a kept TLS connection served another name", (_SNI, _LAX)),
    Advisory(("CVE-2026-54279", "CVE-2026-111063"), "aiohttp", "cookies lost that they were for one host, or for TLS alone, when saved",
             (_HOST_ONLY, _SECURE, _SECURE_WIRE)),
    Advisory(("CVE-2026-34993", "GHSA-jg22-mg44-37j8"), "aiohttp", "a saved cookie jar was unpickled", (_IMPORTS, _PICKLED)),
    Advisory(("CVE-2026-69244", "GHSA-cq5v-8q36-5273", "#13249"), "aiohttp", "a malformed body crashed the process", (_MUTATED, _FLOORS)),
    Advisory(("CVE-2026-128131", "GHSA-h4cc-hm5h-fmm9"), "aiohttp", "many members of gzip took quadratic time", (_MEMBERS, _FLOORS)),
    Advisory(("CVE-2025-69229", "GHSA-g84x-mcqj-x9qq", "CVE-2026-22815", "GHSA-w2fm-2cpv-w7v5", "CVE-2026-34513", "GHSA-hcc4-c3v8-rx92"),
             "aiohttp", "tiny chunks, endless trailers and every name ever looked up had no bound", (_CHUNKS, _ENDLESS, _MEMORIES)),
    Advisory(("CVE-2026-34520", "CVE-2023-49081", "CVE-2023-49082", "CVE-2026-34514", "CVE-2026-50269"), "aiohttp",
             "control characters went out in methods, versions and headers", (_BYTES, _BYTES_PROXY, _BYTES_SETTINGS)),
    # requests, urllib3
    Advisory(("CVE-2014-1829", "CVE-2014-1830", "CVE-2018-18074", "CVE-2023-32681"), "requests",
             "Authorization and Proxy-Authorization followed redirects", (_SECRETS, _PROXIED, _DOWNGRADE)),
    Advisory(("CVE-2015-2296",), "requests", "a cookie without a host was sent to where a redirect led", (_COOKIE_REDIRECT, _SITES)),
    Advisory(("CVE-2024-35195",), "requests", "verify=False held for all later requests of a connection", (_LAX, _TLS)),
    Advisory(("CVE-2024-47081",), "requests", "an address was read so that another host's .netrc entry was sent", (_ENVIRONMENT, _ORIGINS),
             "reading .netrc"),
    Advisory(("CVE-2018-20060", "CVE-2018-25091", "CVE-2023-43804", "CVE-2024-37891"), "urllib3",
             "Authorization, in other capitals too, Cookie and Proxy-Authorization followed redirects", (_SECRETS, _WAYS, _PROXIED)),
    Advisory(("CVE-2023-45803",), "urllib3", "the body of a request went along with a 303", (_BODIES,)),
    Advisory(("CVE-2025-50181",), "urllib3", "redirects were followed where they had been switched off", (_SCOPE, _INSIDE)),
    Advisory(("CVE-2021-33503",), "urllib3", "many @ in an address took quadratic time", (_LENGTH,)),
    Advisory(("CVE-2019-11236", "CVE-2020-26137"), "urllib3", "line breaks in addresses and methods split requests", (_BYTES, _BYTES_PROXY)),
    Advisory(("CVE-2025-66418", "CVE-2025-66471", "CVE-2026-21441"), "urllib3",
             "codings without number, bombs in streams, and bombs in the body of a redirect", (_LAYERS, _BOMB, _REDIRECT_BOMB)),
    # what lies below
    Advisory(("CVE-2022-2309",), "lxml", "XML crashed the parser", (_SITEMAPS, _CALLS)),
    Advisory(("CVE-2012-2921",), "feedparser", "entities grew without bound", (_SITEMAPS, _FEEDS)),
    Advisory(("CVE-2024-27454",), "orjson", "deep JSON ran past the end of the stack", (_DEPTH,)),
    Advisory(("CVE-2024-3651",), "idna", "a long host name took quadratic time", (_LENGTH,)),
    Advisory(("CVE-2020-8927",), "brotli", "a long stream overflowed a number", (_BOMBS, _FLOORS)),
    Advisory(("CVE-2021-21240", "CVE-2021-32837"), "httplib2, mechanize", "spaces in a header or a page took for ever to match",
             (_HEADERS, _PIECES)),
    Advisory(("CVE-2023-28858", "CVE-2023-28859"), "redis-py", "who cancelled a command left its reply to the next",
             (_CANCELLED, _IMPORTS), "a client of Redis"),
]  # fmt: skip
