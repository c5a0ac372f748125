-- Takes away what fixture.sql made, or what is left of it.
drop table if exists
  api.appearances, api.premieres, api.actors, api.films, api.directors, api.studios, api.numbers, api.phrases, api."odd, (names) & more",
  api.vault, api.diaries, api.books, api.shelves, api.tallies, api.letters
  cascade;
drop function if exists
  postern.reset_library, api.add, api.total, api.joined, api.echo_json, api.echo_text, api.echo_bytes, api.poster_of,
  api.films_of, api.film_of, api.pairs, api.nothing, api.null_text, api.shelve, api.twofold(integer), api.twofold(text), api.page,
  api.request_header, api.request_headers, api.request_cookies, api.request_line, api.caller, api.claims_seen, api.fail, api.answer_with,
  api.headline, api.sequels, api.prequel;
drop domain if exists api."application/octet-stream", api."text/html";
