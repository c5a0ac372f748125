// What postern.catalog says of a small database, put together in the test that asks about it.

import { catalogParts } from "../../src/feed/catalog-parts.ts";
import { relationTag } from "../../src/feed/tag.ts";
import { type Catalog, parseCatalog } from "../../src/planner/catalog.ts";

interface Dependence {
	reads?: readonly string[];
	claims?: readonly string[];
	headers?: readonly string[];
	cookies?: readonly string[];
	reasons?: readonly string[];
	maxStalenessSeconds?: number | null;
}

interface Relation extends Dependence {
	schema?: string;
	kind?: string;
	tag?: string | null;
	rowKey?: readonly string[] | null;
	/** The columns of the primary key. */
	key?: readonly string[];
	/** Signatures by name. */
	computed?: Readonly<Record<string, string>>;
}

interface Routine extends Dependence {
	schema?: string;
	/** Types by name; a name that ends in `?` has a default. */
	arguments?: Readonly<Record<string, string>>;
	isVariadic?: boolean;
	returns?: string;
	returnsRelation?: string | null;
	volatility?: string;
}

/** @param columns types by name */
export function table(
	name: string,
	columns: Readonly<Record<string, string>>,
	{ schema = "api", key = ["id"], ...options }: Relation = {},
): object {
	const tag = relationTag(schema, name);
	return relation(name, columns, {
		schema,
		kind: "table",
		tag,
		rowKey: key,
		key,
		reads: [tag],
		...options,
	});
}

export function view(
	name: string,
	columns: Readonly<Record<string, string>>,
	options: Relation,
): object {
	return relation(name, columns, { kind: "view", ...options });
}

function relation(
	name: string,
	columns: Readonly<Record<string, string>>,
	{
		schema = "api",
		kind,
		tag = null,
		rowKey = null,
		key,
		computed = {},
		...dependence
	}: Relation,
): object {
	return {
		schema,
		name,
		kind,
		tag,
		rowKey,
		columns: Object.entries(columns).map(([column, type]) => ({
			name: column,
			type,
		})),
		primaryKey: key ?? [],
		computed,
		...dependenceOf(dependence),
	};
}

/** @param name with the types of its arguments, it is the signature */
export function routine(name: string, options: Routine = {}): object {
	const { schema = "api", arguments: all = {}, isVariadic = false } = options;
	const { returns = "integer", returnsRelation = null } = options;
	const { volatility = "stable" } = options;
	return {
		schema,
		name,
		signature: `${schema}.${name}(${Object.values(all).join()})`,
		arguments: Object.entries(all).map(([argument, type]) => ({
			name: argument.replace("?", ""),
			type,
			hasDefault: argument.endsWith("?"),
		})),
		isVariadic,
		returns,
		returnsRelation,
		returnsSet: true,
		volatility,
		...dependenceOf(options),
	};
}

/** @param from such as `films.studio_id`: a schema may stand before it, several columns after */
export function foreignKey(
	name: string,
	from: string,
	to: string,
	{ isOneToOne = false } = {},
): object {
	return { name, from: keyEnd(from), to: keyEnd(to), isOneToOne };
}

function keyEnd(text: string): object {
	const [path = "", columns = ""] = text.split(":");
	const [schema, name] = path.includes(".") ? path.split(".") : ["api", path];
	return {
		schema,
		name,
		tag: `${schema}.${name}`,
		columns: columns.split(","),
	};
}

export function dependenceOf({
	reads = [],
	claims = [],
	headers = [],
	cookies = [],
	reasons = [],
	maxStalenessSeconds = null,
}: Dependence): object {
	return {
		reads,
		claims,
		headers,
		cookies,
		readsClock: false,
		reasons,
		maxStalenessSeconds,
	};
}

/** As JSON. */
export function catalogOf(parts: {
	relations?: readonly object[];
	functions?: readonly object[];
	foreignKeys?: readonly object[];
	mediaTypes?: readonly string[];
	hasUserDefinedCasts?: boolean;
	hasUserDefinedAggregates?: boolean;
}): object {
	const { relations = [], functions = [], foreignKeys = [] } = parts;
	const { mediaTypes = [], hasUserDefinedCasts = false } = parts;
	const { hasUserDefinedAggregates = false } = parts;
	return {
		contract: 1,
		preRequest: null,
		relations,
		functions,
		foreignKeys,
		hasUserDefinedCasts,
		hasUserDefinedAggregates,
		mediaTypes,
	};
}

const FILM = {
	id: "integer",
	title: "text",
	year: "integer",
	rating: "numeric",
	studio_id: "integer",
	director_id: "integer",
	producer_id: "integer",
	sequel_to: "integer",
	details: "jsonb",
	tags: "text[]",
	shown_on: "date",
	shown_at: "timestamp with time zone",
	doors: "time with time zone",
	run: "daterange",
	mood: "api.mood",
	kind: "regclass",
};

const row = { film: "api.films" };

/** Films and their makers; notes of users and teams; views of both. */
export const CINEMA = catalogOf({
	relations: [
		table("films", FILM, {
			computed: {
				headline: "api.headline(api.films)",
				studio_name: "api.studio_name(api.films)",
				age: "api.age(api.films)",
				same_year: "api.same_year(api.films)",
				critics: "api.critics(api.films)",
			},
		}),
		table(
			"studios",
			{ id: "integer", name: "text" },
			{ maxStalenessSeconds: 60 },
		),
		table("directors", { id: "integer", name: "text" }),
		table("actors", { id: "integer", "full name": "text" }),
		table(
			"appearances",
			{ film_id: "integer", actor_id: "integer", role: "text" },
			{
				key: ["film_id", "actor_id"],
				reads: ["api.appearances", "api.contracts"],
				claims: ["agency"],
			},
		),
		table("critics", { id: "integer", name: "text" }),
		table("labels", { code: "text", color: "text" }, { key: ["code"] }),
		// Two ways from films to labels, and no key that holds both columns of the second.
		table(
			"film_labels",
			{ film_id: "integer", code: "text" },
			{ key: ["film_id", "code"] },
		),
		table("stickers", {
			id: "integer",
			film_id: "integer",
			code: "text",
		}),
		table("codes", { id: "uuid", n: "smallint" }),
		table("big", { id: "bigint", name: "character varying" }),
		table("pairs", { a: "text", b: "integer" }, { key: ["a", "b"] }),
		table("odd, (names)", { "a.b": "integer" }, { key: ["a.b"] }),
		table("loose", { id: "integer" }, { rowKey: null }),
		table(
			"untracked",
			{ id: "integer" },
			{ reasons: ["api.untracked is not tracked"] },
		),
		table("hasty", { id: "integer" }, { maxStalenessSeconds: 2 }),
		table(
			"readings_north",
			{ region: "text", n: "integer" },
			{ tag: "api.readings", reads: ["api.readings"], key: ["region", "n"] },
		),
		table(
			"notes",
			{ id: "integer", owner: "text", film_id: "integer" },
			{
				reads: ["api.members", "api.notes"],
				claims: ["sub", "team"],
			},
		),
		table(
			"claimed",
			{ id: "integer" },
			{
				claims: ["role", "aud", "sub", "constructor", "__proto__"],
			},
		),
		table(
			"hourly",
			{ id: "integer" },
			{
				claims: ["exp"],
			},
		),
		table("signed", { id: "integer" }, { headers: ["x-client-info"] }),
		table("themed", { id: "integer" }, { cookies: ["theme"] }),
		table(
			"tailored",
			{ id: "integer" },
			{ claims: ["sub"], headers: ["x-client-info"], cookies: ["theme"] },
		),
		table(
			"reviews",
			{ id: "integer", film_id: "integer" },
			{ schema: "other" },
		),
		view(
			"color_films",
			{ id: "integer", title: "text", studio: "integer" },
			{ reads: ["api.films"] },
		),
		view(
			"clock",
			{ id: "integer" },
			{
				reads: ["api.films"],
				reasons: ["now() may read the clock or the session"],
			},
		),
		view(
			"casts",
			{ film: "integer", actor: "integer" },
			{
				reads: ["api.appearances"],
				claims: ["nick"],
			},
		),
		view(
			"stars",
			{ id: "integer", name: "text" },
			{
				reads: ["api.actors"],
				maxStalenessSeconds: 3,
			},
		),
		view(
			"counts",
			{ studio_id: "integer", films: "bigint" },
			{
				kind: "materialized view",
				tag: "api.counts",
				reads: ["api.counts"],
			},
		),
	],
	functions: [
		routine("headline", { arguments: row, returns: "text" }),
		routine("studio_name", {
			arguments: row,
			returns: "text",
			reads: ["api.studios"],
			claims: ["locale"],
		}),
		routine("age", {
			arguments: row,
			returns: "interval",
			reasons: ["now() may read the clock or the session"],
		}),
		routine("same_year", {
			arguments: row,
			returns: "api.films",
			returnsRelation: "api.films",
			reads: ["api.films"],
		}),
		// Named like a relation, of which it takes the place.
		routine("critics", {
			arguments: row,
			returns: "api.critics",
			returnsRelation: "api.critics",
			reads: ["api.critics", "api.votes"],
		}),
		routine("add", {
			arguments: { a: "integer", "b?": "integer" },
			volatility: "immutable",
		}),
		routine("hot_films", {
			arguments: { minimum: "numeric" },
			returns: "api.films",
			returnsRelation: "api.films",
			reads: ["api.films", "api.votes"],
			claims: ["level"],
		}),
		routine("since", {
			arguments: { day: "date", at: "time with time zone", word: "text" },
			reads: ["api.films"],
		}),
		routine("tidy", { volatility: "volatile" }),
		routine("joined", { arguments: { words: "text[]" }, isVariadic: true }),
		routine("twofold", { arguments: { value: "integer" } }),
		routine("twofold", {
			arguments: { value: "text" },
			volatility: "volatile",
		}),
		routine("steady", { arguments: { value: "integer" } }),
		routine("steady", { arguments: { value: "text" } }),
		// Told apart by the names of their arguments.
		routine("found", { arguments: { "word?": "text" }, reads: ["api.films"] }),
		routine("found", {
			arguments: { word: "text", year: "integer" },
			reads: ["api.studios"],
		}),
		routine("found", {
			arguments: { day: "date" },
			volatility: "volatile",
		}),
		routine("page", { returns: 'api."text/html"' }),
		routine("headers", { reasons: ["api.headers() reads a setting"] }),
		routine("elsewhere", {
			returns: "private.films",
			returnsRelation: "private.films",
		}),
	],
	foreignKeys: [
		foreignKey("films_studio", "films:studio_id", "studios:id"),
		foreignKey("films_director", "films:director_id", "directors:id"),
		foreignKey("films_producer", "films:producer_id", "directors:id"),
		foreignKey("films_sequel", "films:sequel_to", "films:id"),
		foreignKey("appearances_film", "appearances:film_id", "films:id"),
		foreignKey("appearances_actor", "appearances:actor_id", "actors:id"),
		foreignKey("film_labels_film", "film_labels:film_id", "films:id"),
		foreignKey("film_labels_label", "film_labels:code", "labels:code"),
		foreignKey("stickers_film", "stickers:film_id", "films:id"),
		foreignKey("stickers_label", "stickers:code", "labels:code"),
		foreignKey("notes_film", "notes:film_id", "films:id"),
		foreignKey("reviews_film", "other.reviews:film_id", "films:id"),
		// A junction in a schema that is not exposed.
		foreignKey("ledger_studio", "hidden.ledger:studio", "studios:id"),
		foreignKey("ledger_label", "hidden.ledger:label", "labels:code"),
	],
});

/** What isolates make of what postern.catalog returned. */
export function parsedCatalog(json: unknown): Catalog {
	return parseCatalog(catalogParts(json));
}

export const cinema = parsedCatalog(CINEMA);
