// Written reads that are easily planned wrong: they depend on more than it seems, or on another row than they name.
import type { Ask } from "./origin.ts";
import type { Read } from "./random-reads.ts";

const ada = {
	role: "authenticated",
	claims: { sub: "ada", person: "ada", level: 2, nick: "ada" },
};
const anonymous = { role: "anon", claims: {} };
const editor = { role: "editor", claims: { sub: "joan" } };
const service = { role: "service", claims: {} };

function byPost(ask: Ask, body: string): Ask {
	const headers = { ...ask.headers, "content-type": "application/json" };
	return { ...ask, method: "POST", headers, body };
}

/** One read a line: the path, and the body if it is sent by POST. */
function reads(
	identity: Read["identity"],
	{ raw: [lines = ""] }: TemplateStringsArray,
): Read[] {
	return lines
		.trim()
		.split("\n")
		.map((line) => {
			const [path = "", body] = line.trim().split(/ (\{.*)/);
			const ask = { method: "GET", path, headers: {} };
			return { ask: body === undefined ? ask : byPost(ask, body), identity };
		});
}

const by =
	(identity: Read["identity"]) =>
	(lines: TemplateStringsArray): Read[] =>
		reads(identity, lines);

export const HARD_READS: readonly Read[] = [
	...by(anonymous)`
		/films?select=id,studio_name&order=id
		/films?select=id&order=studio_name,id
		/films?select=id&studio_name=eq.Toho&order=id
		/films?select=id&or=(studio_name.eq.Toho,id.eq.1)&order=id
		/films?select=studio_name&id=eq.1
		/studios?select=id,films(studio_name)&order=id&films.order=id
		/films?id=eq.5&select=title,films!sequel_to(title)
		/films?id=eq.5&select=title,sequel_to(title)
		/films?id=eq.1&select=title,same_year(title)
		/films?id=eq.4&select=title,sequels(title)
		/films?id=eq.1&select=title,studios(name)
		/films?or=(id.eq.1,year.gt.1980)&select=id,year&order=id
		/films?and=(id.eq.1,year.gt.1)&select=id,year
		/films?id=not.eq.1&select=id,year&order=id
		/films?id=gte.1&id=lte.3&select=id,year&order=id
		/studios?select=id,name,films(id)&films.id=eq.1&order=id
		/studios?select=id,name,films!inner(id)&films.year=gt.1970&order=id
		/films?studios=is.null&select=id,studios()&order=id
		/films?select=id,actors!appearances(id)&order=id
		/films?select=id,actors!casts(id)&order=id
		/color_films?select=id,studios(name)&order=id
		/color_films?select=id,studios(films(title))&order=id
		/studio_counts?order=studio_id
		/team_sizes?order=id
		/team_sizes?id=eq.1
		/readings?region=eq.north&n=eq.1
		/readings?region=eq.far%20north&n=eq.1
		/readings?order=region,n
		/vehicles?id=eq.3
		/vehicles?order=id
		/labels?code=eq.with%20%22
		/labels?code=eq.%C3%BC
		/codes?id=eq.00000000-0000-4000-8000-000000000001&select=id,labels(color)
		/rpc/films_of_studio?named=Toho
		/rpc/films_of_studio?named=Toho&select=id,premieres(city)
		/films?select=count
		/films?id=eq.1&select=count
		/films?select=year::int8,rating.sum(),count()::int2&order=year
		/studios?select=id,films(count)&order=id
		/studios?select=id,films(n:count::int4)&films.year=gt.1960&order=id
		/studios?select=id,films(count())&order=id
		/studios?select=id,films(year::float8.max())&order=id
		/studios?id=eq.1&select=films(count)
		/films?select=id,actors!appearances(count)&order=id
		/color_films?select=id,studios(count)&order=id
		/rpc/hot_films?select=id&order=id
		/rpc/hot_films?select=count
		/rpc/films_by?select=id&order=id
		/rpc/films_by?studio=Toho&select=id&order=id
		/rpc/films_by?studio=Toho&since=1955&select=id&order=id
		/rpc/films_by?city=Tokyo
		/rpc/films_by?select=id,premieres(city)&order=id {"studio":"Toho","since":1955}
		/rpc/films_by {"city":"Tokyo"}
		/rpc/team_count {}
		/rpc/palette
		/rpc/team_count
	`,
	...by(ada)`
		/notes?select=id,body&order=id
		/notes?id=eq.1
		/notes?id=eq.4&select=id,body
		/notes?select=id,is_mine&order=id
		/notes?select=id,team(name)&order=id
		/notes?select=id,labels!note_labels(color)&order=id
		/notes?select=id,labels!labelings(color)&order=id
		/teams?select=id,labels(color)&order=id
		/teams?select=id,notes(id)&order=id
		/own_notes?order=id
		/all_notes?order=id
		/note_colors?select=id,code,color&order=id,code
		/ledger?order=id
		/rpc/notes_of?who=grace&since=2020-01-01
		/rpc/notes_of?who=grace
		/rpc/notes_of?select=id,team(name)&order=id {"who":"grace","since":"2020-01-01"}
		/rpc/my_level {}
		/teams?select=id,notes(count)&order=id
		/rpc/everything?select=id&order=id
	`,
	...by(editor)`
		/notes?select=id,body&order=id
		/note_labels?order=note_id,code
		/pins?order=note_id,code
	`,
	...by(service)`
		/notes?select=id&order=id
		/note_labels?select=note_id,labels(color)&order=note_id,code
	`,
];
