// What is made odd in a request: the request line, headers, the body, how its end is told, single bytes.
import { pickWeighted, type Random } from "../histories/random.ts";
import type { Draft } from "./requests.ts";

export interface Mutation {
	readonly name: string;
	readonly weight: number;
	/** Whether the end of the request stays where it was, so that another may follow on the same connection. */
	readonly keepsFrame: boolean;
	apply(draft: Draft, random: Random, world: { forbiddenHost: string }): void;
}

const METHODS = [
	...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
	...["TRACE", "CONNECT", "PROPFIND", "QUERY", "PURGE", "LINK", "SEARCH"],
	...["get", "Post", "GETT", "G", "", "GET GET", "G\u0000T", "P\u00d6ST"],
	...["M-SEARCH", "_", "A".repeat(5_000)],
];

/** Text for the middle of a path or a query. */
const ODD_TEXTS = [
	...["//", "/./", "/../", "/%2e%2e/", "/%2E%2e%2F", "%2f", "%2F..%2F", "%5c"],
	...["\\", "/..\\", "%00", "\u0000", "%c0%af", "%c0%ae%c0%ae/", "%e0%80%af"],
	...["%ff%fe", "\u00ff\u00fe", "\u00c3\u00a9", "%ed%a0%80", "%f8%88%80%80%80"],
	...["%", "%zz", "%2", "%252e%252e%252f", ";a=b", ";", "?", "??", "#", "#/x"],
	...[" ", "\t", "%20", "%0d%0a", "%0d%0aX-Injected:%201", "\u000b", "\u007f"],
	...["|", "^", "`", '"', "<", "{", "'", "*", "@", ":", "&", "=", "&&", "%26"],
	...["%u002e", "a".repeat(9_000), "a".repeat(70_000)],
	...["rest/v1", "/rest/v1/", "/rest%2fv1/", "/REST/V1/", "/hidden.secrets"],
	...[
		"&select=*",
		"&id=eq.1",
		"&and=(id.eq.1",
		"&or=()",
		"&order=",
		"&limit=-1",
	],
	...["&limit=99999999999999999999", "&offset=2147483648", "&columns=a,b"],
	...["&on_conflict=id", "&select=a(b(c(d(e(f))))))", "&select=secrets(*)"],
	...[`&select=${"todos(".repeat(200)}id${")".repeat(200)}`, "&id=in.(1,2,"],
	...["&apikey=x", "&access_token=x", "&name=like.%25%25", '&a="\\'],
	...["&title=fts(nowhere).x", "&title=plfts.%00", "&created_at=eq.infinity"],
];

const SCHEMAS = ["postern", "hidden", "auth", "private", "pg_catalog", "api"];

const ODD_VALUES = [
	...["", " ", ",", ";", "\t", "*", "x", "-1", "0", "true", "null", "\u00ff"],
	...[
		"\u00c3\u00a9",
		"a, b",
		'"',
		"\\",
		"a".repeat(4_000),
		"999999999999999999",
	],
	...["NaN", "1e309", "0x10", "{}", "[]", "$(x)", "' or 1=1 --", "%00"],
];

/** Headers that mean something to the gateway, the runtime or PostgREST, with values that do. */
const MEANT: readonly (readonly [string, readonly string[]])[] = [
	[
		"Range",
		[
			"0-1",
			"0-",
			"5-2",
			"99-100",
			"-5",
			"bytes=0-1",
			"items=0-1",
			"a-b",
			"0-1,3-4",
			"99999999999999999999-",
			"0-9223372036854775808",
		],
	],
	["Range-Unit", ["items", "bytes", "x"]],
	["If-Range", ['"x"', "Sun, 06 Nov 1994 08:49:37 GMT"]],
	["If-None-Match", ["*", '"x"', 'W/"x"', '"', '"a", "b", *', "x"]],
	[
		"If-Match",
		[
			"*",
			'"x"',
			'W/"x"',
			'"',
			"x",
			'"AAAAAAAAAAAAAAAAAAAAAAAAAAA.0.0000000000000000"',
		],
	],
	["If-Modified-Since", ["Sun, 06 Nov 1994 08:49:37 GMT", "tomorrow", "0"]],
	["If-Unmodified-Since", ["Sun, 06 Nov 1994 08:49:37 GMT", "x"]],
	[
		"Prefer",
		[
			"count=exact",
			"count=planned",
			"count=x",
			"return=representation",
			"return=headers-only",
			"resolution=merge-duplicates",
			"resolution=ignore-duplicates",
			"missing=default",
			"handling=strict, x=y",
			"tx=rollback",
			"tx=commit",
			"max-affected=0",
			"timezone=Mars/Olympus",
			"params=single-object",
			"return=minimal, return=representation",
			"respond-async, wait=9",
			", ,",
			"=,=",
		],
	],
	[
		"Accept",
		[
			"text/csv",
			"application/vnd.pgrst.object+json",
			"application/vnd.pgrst.plan+json",
			"application/vnd.pgrst.plan; options=analyze|buffers",
			"application/geo+json",
			"image/png",
			"*/*;q=0",
			"a/b/c",
			"application/openapi+json",
			"text/html, */*",
		],
	],
	["Accept-Profile", SCHEMAS],
	["Content-Profile", SCHEMAS],
	[
		"Content-Type",
		[
			"text/csv",
			"text/plain",
			"application/x-www-form-urlencoded",
			"multipart/form-data; boundary=x",
			"application/json; charset=utf-16",
			"application/octet-stream",
			"application/vnd.pgrst.array+json",
			"application/json, text/csv",
			";",
		],
	],
	["Content-Encoding", ["gzip", "br", "identity", "x", "gzip, gzip"]],
	["Accept-Encoding", ["gzip", "br", "identity;q=0", "*;q=0", "zstd"]],
	[
		"Cache-Control",
		[
			"no-cache",
			"no-store",
			"only-if-cached",
			"max-age=0",
			"max-age=-1",
			"max-age=x",
			"max-stale, min-fresh=9999999999",
			"no-transform",
		],
	],
	["Pragma", ["no-cache"]],
	[
		"Authorization",
		[
			"Bearer",
			"Bearer x",
			"Basic YTpi",
			"bearer a.b.c",
			"Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoicG9zdGVybiJ9.",
			"Bearer a, Bearer b",
			"Digest x",
			"Bearer sb_secret_x",
		],
	],
	["apikey", ["x", "sb_publishable_x", "postern_secret_x", "a.b.c"]],
	[
		"Cookie",
		[
			"a=b",
			"CF_Authorization=x",
			"postern-token=x",
			"=;=;",
			"postern=x; postern=y",
		],
	],
	["Postern-Token", ["0", "x", "9.9.9", "1.1-2.3, x", "a".repeat(3_000)]],
	["Postern-Explain", ["1"]],
	["Postern-Claim", ["x"]],
	["Postern-Match", ["x"]],
	[
		"Idempotency-Key",
		[
			'"key-1"',
			"key-1",
			'""',
			'"a',
			"\u00ff",
			`"${"k".repeat(300)}"`,
			'"key-2", "key-3"',
		],
	],
	["Origin", ["https://app.example", "null", "http://127.0.0.1", "x"]],
	["Access-Control-Request-Method", ["PATCH", "x y"]],
	["Expect", ["100-continue", "x"]],
	["Upgrade", ["websocket", "h2c", "TLS/1.0"]],
	[
		"Connection",
		[
			"close",
			"keep-alive",
			"Authorization",
			"Upgrade",
			"Upgrade, HTTP2-Settings",
			"Content-Profile, Traceparent-x",
			"Content-Type, Prefer",
			",",
			"close, close",
		],
	],
	["HTTP2-Settings", ["AAMAAABkAAQAAP__"]],
	["Sec-WebSocket-Key", ["dGhlIHNhbXBsZSBub25jZQ=="]],
	["TE", ["trailers", "chunked"]],
	["Trailer", ["Authorization"]],
	["Keep-Alive", ["timeout=0"]],
	["Proxy-Authorization", ["Basic YTpi"]],
	["Proxy-Connection", ["keep-alive"]],
	["Max-Forwards", ["0"]],
	["User-Agent", ["", "a".repeat(3_000)]],
	["Tracestate", ["a=b", "=", "a".repeat(600)]],
	["X-Request-Id", ["1", "\u0001"]],
	["Date", ["x"]],
	["Via", ["1.1 x"]],
];

/** Headers by which a client poses as a proxy, or names another request than the one that it sends. `HOST` is the forbidden one. */
const FORGED: readonly (readonly [string, readonly string[]])[] = [
	["X-Forwarded-For", ["127.0.0.1", "::1", "HOST"]],
	["X-Forwarded-Host", ["HOST", "localhost"]],
	["X-Forwarded-Server", ["HOST"]],
	["X-Forwarded-Port", ["1", "443"]],
	["X-Forwarded-Proto", ["https", "javascript"]],
	["X-Forwarded-Scheme", ["https"]],
	["X-Forwarded-Prefix", ["/hidden", "//HOST"]],
	["X-Forwarded-Uri", ["/rpc/find_api_key"]],
	["Forwarded", ["for=127.0.0.1;host=HOST;proto=https", "by=_x"]],
	["X-Host", ["HOST"]],
	["X-Real-IP", ["127.0.0.1"]],
	["X-Client-IP", ["127.0.0.1"]],
	["True-Client-IP", ["127.0.0.1"]],
	["CF-Connecting-IP", ["127.0.0.1", "x", "203.0.113.7"]],
	["CF-Ray", ["x"]],
	["CF-Visitor", ['{"scheme":"https"}']],
	["CF-Worker", ["HOST"]],
	["CF-Access-Jwt-Assertion", ["a.b.c"]],
	["Cf-Access-Client-Id", ["x"]],
	["CF-EW-Via", ["15"]],
	["CDN-Loop", ["cloudflare; subreqs=9"]],
	["X-Original-URL", ["/rpc/find_api_key", "http://HOST/", "/hidden"]],
	["X-Rewrite-URL", ["/rpc/find_api_key", "http://HOST/"]],
	["X-Original-Host", ["HOST"]],
	["X-HTTP-Method-Override", ["DELETE", "POST", "PUT"]],
	["X-HTTP-Method", ["DELETE"]],
	["X-Method-Override", ["DELETE"]],
	["X-Role", ["postern"]],
	["X-Postgrest-Role", ["service"]],
	["Role", ["service"]],
	["Proxy", ["http://HOST"]],
	["Destination", ["http://HOST/"]],
	["Referer", ["http://HOST/"]],
	["Alt-Used", ["HOST"]],
	["Alt-Svc", ['h2="HOST"']],
];

const ODD_BODIES: readonly ((random: Random, before: string) => string)[] = [
	() => "",
	() => "null",
	() => "[]",
	() => "{}",
	() => "[{}, []]",
	() => '{"name":"\\u0000","age":1,"species":"x"}',
	() => '{"name":"\\ud800","age":1e400,"species":"x"}',
	() => '{"id":9223372036854775808,"name":"x","age":1,"species":"x"}',
	() => '{"__proto__":{"role":"postern"},"constructor":1}',
	() => '{"name":"x","name":"y","age":1,"species":"x"}',
	() => `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
	() => `${'{"a":'.repeat(3_000)}1${"}".repeat(3_000)}`,
	() => `{"name":"${"x".repeat(100_000)}"}`,
	() =>
		JSON.stringify(
			Array.from({ length: 200 }, (_, age) => ({
				name: "x",
				age,
				species: "",
			})),
		),
	() => "name,age,species\nx,1,\n",
	() => "name=x&age=1&species=dog",
	() => "\u001f\u008b\b\0\0\0\0\0",
	(_, before) => `\u00ef\u00bb\u00bf${before}`,
	(_, before) => before.slice(0, -1),
	(_, before) => `${before}${before}`,
	(_, before) => before.replaceAll('"', "'"),
	(_, before) => before.replaceAll("a", "\u00ff"),
	(random) =>
		String.fromCharCode(
			...Array.from({ length: 1 + random.integer(400) }, () =>
				random.integer(256),
			),
		),
	(_, before) => [...before].join("\0"),
];

/** A request within a body, that no server may take for one. */
const smuggled = (host: string) =>
	`GET /rest/v1/rpc/echo?text=smuggled HTTP/1.1\r\nHost: ${host}\r\nX-Smuggled: 1\r\n\r\n`;

const LENGTHS = [
	...["+5", "0x5", "5, 5", "5,6", "-1", "1e1", "5.0", " 5", "5 ", "\u00b2", ""],
	...["99999999999999999999", "00005", "5;", "five", "18446744073709551621"],
];

const CODINGS = [
	...["chunked", "Chunked", " chunked", "chunked ", "chunked, identity", "x"],
	...["identity", "gzip, chunked", "chunked, chunked", "xchunked", '"chunked"'],
	...["\u000bchunked", "chunked\u0000", "", "chunk", "chunked;q=1"],
];

const CHUNKS = [
	"0\r\n\r\n",
	"5;name=value\r\nhello\r\n0\r\n\r\n",
	'5;a="\r\n";b\r\nhello\r\n0\r\n\r\n',
	"5\nhello\n0\n\n",
	"5 \r\nhello\r\n0\r\n\r\n",
	"0x5\r\nhello\r\n0\r\n\r\n",
	"-5\r\nhello\r\n0\r\n\r\n",
	"5\r\nhelloworld\r\n0\r\n\r\n",
	"ffffffffffffffff\r\nhello\r\n",
	"10000000000000005\r\nhello\r\n0\r\n\r\n",
	"05\r\nhello\r\n00\r\n\r\n",
	"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\nHost: x\r\n\r\n",
	"\r\n5\r\nhello\r\n0\r\n\r\n",
	"5\r\nhello0\r\n\r\n",
	"g\r\nhello\r\n0\r\n\r\n",
	"5\r\nhello\r\n",
	"",
];

const header = (draft: Draft, name: string, value: string) => {
	draft.headers.push([name, value]);
};
const insert = (text: string, at: number, more: string) =>
	text.slice(0, at) + more + text.slice(at);

export const MUTATIONS: readonly Mutation[] = [
	{
		name: "method",
		weight: 6,
		keepsFrame: false,
		apply(draft, random) {
			draft.method = random.pick(METHODS);
			// HTTP/1.1 has no end of such a request that all servers see.
			if (draft.method === "CONNECT") draft.mayWait = true;
		},
	},
	{
		name: "usual method",
		weight: 6,
		keepsFrame: true,
		apply(draft, random) {
			draft.method = random.pick(METHODS.slice(0, 7));
		},
	},
	{
		name: "odd text in the target",
		weight: 14,
		keepsFrame: false,
		apply(draft, random) {
			const at = random.integer(draft.target.length + 1);
			draft.target = insert(draft.target, at, random.pick(ODD_TEXTS));
		},
	},
	{
		name: "percent-encoding",
		weight: 4,
		keepsFrame: true,
		apply(draft, random) {
			const at = 1 + random.integer(draft.target.length);
			const code = draft.target.charCodeAt(at);
			if (Number.isNaN(code)) return;
			draft.target = `${draft.target.slice(0, at)}%${code.toString(16).padStart(2, "0")}${draft.target.slice(at + 1)}`;
		},
	},
	{
		name: "form of the target",
		weight: 5,
		keepsFrame: false,
		apply(draft, random, { forbiddenHost }) {
			draft.target = random.pick([
				`http://${forbiddenHost}${draft.target}`,
				`https://${forbiddenHost}${draft.target}`,
				`http://user:password@${forbiddenHost}${draft.target}`,
				`//${forbiddenHost}${draft.target}`,
				`/\\${forbiddenHost}${draft.target}`,
				`/@${forbiddenHost}${draft.target}`,
				`@${forbiddenHost}${draft.target}`,
				`file://${draft.target}`,
				`ftp://${forbiddenHost}/`,
				`javascript:${draft.target}`,
				forbiddenHost,
				"*",
				"",
				"http://",
				"http:///",
				`/rest/v1/http://${forbiddenHost}/`,
				`/rest/v1//${forbiddenHost}/`,
				`/docs//${forbiddenHost}/`,
				"/rest/v1/../../hidden/secrets",
				"/rest/v1/rpc/../../postern/api_keys",
				"/rest/v1/hidden.secrets",
				"/rest/v1/rpc/find_api_key",
			]);
		},
	},
	{
		name: "version",
		weight: 2,
		keepsFrame: false,
		apply(draft, random) {
			draft.version = random.pick([
				...["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", "X"],
				...[
					"HTTP/1.10",
					"HTTP/9.9",
					"",
					"HTTP/1.1\r\nX: y",
					"HTTP/",
					" HTTP/1.1",
				],
			]);
			if (draft.version === "") draft.mayWait = true;
		},
	},
	{
		name: "header",
		weight: 26,
		keepsFrame: true,
		apply(draft, random) {
			const [name, values] = random.pick(MEANT);
			header(
				draft,
				name,
				random.pick(random.chance(0.85) ? values : ODD_VALUES),
			);
		},
	},
	{
		name: "forged header",
		weight: 16,
		keepsFrame: true,
		apply(draft, random, { forbiddenHost }) {
			const [name, values] = random.pick(FORGED);
			header(draft, name, random.pick(values).replace("HOST", forbiddenHost));
		},
	},
	{
		name: "host",
		weight: 5,
		keepsFrame: false,
		apply(draft, random, { forbiddenHost }) {
			header(
				draft,
				random.pick(["Host", "host", "HOST", "Host "]),
				random.pick([
					...[forbiddenHost, "localhost", "", " ", "a b", "[::1", "x:99999"],
					...["a/b", "a@b", "a?b", "a#b", "\u00ff", "postgrest", "..", "%00"],
					...[`${forbiddenHost}, localhost`, "a".repeat(3_000), "127.0.0.1:"],
				]),
			);
			if (random.chance(0.3)) header(draft, "Host", forbiddenHost);
		},
	},
	{
		name: "repeated header",
		weight: 3,
		keepsFrame: true,
		apply(draft, random) {
			if (draft.headers.length === 0) return;
			const [name, value] = random.pick(draft.headers);
			header(draft, name, random.chance(0.5) ? value : random.pick(ODD_VALUES));
		},
	},
	{
		name: "odd header",
		weight: 5,
		keepsFrame: false,
		apply(draft, random) {
			header(
				draft,
				random.pick([
					...["", " ", "X y", "X\u0000", "\u00ff", "X\t", "(", "X:", " X"],
					...["a".repeat(9_000), "__proto__", "constructor", "X-a"],
				]),
				random.pick([
					...ODD_VALUES,
					...["a\u0000b", "a\rb", "a\nb", "a\r\n b", "a\r\n\tb", "\u007f"],
					...["a\r\nX-Other: 1", "a".repeat(20_000), "a".repeat(200_000)],
				]),
			);
		},
	},
	{
		name: "many headers",
		weight: 1,
		keepsFrame: false,
		apply(draft, random) {
			const count = random.pick([50, 400, 3_000]);
			for (let index = 0; index < count; index++)
				header(draft, `X-${index}`, "y");
		},
	},
	{
		name: "ends of lines",
		weight: 2,
		keepsFrame: false,
		apply(draft, random) {
			draft.lineEnd = random.pick(["\n", "\r", "\r\r\n", "\n\r", "\0\r\n"]);
			draft.mayWait = true;
		},
	},
	{
		name: "body",
		weight: 14,
		keepsFrame: true,
		apply(draft, random) {
			draft.body = random.pick(ODD_BODIES)(random, draft.body);
		},
	},
	{
		name: "body in chunks",
		weight: 4,
		keepsFrame: true,
		apply(draft) {
			draft.framing = "chunked";
		},
	},
	{
		name: "lengths that contradict",
		weight: 5,
		keepsFrame: false,
		apply(draft, random, { forbiddenHost }) {
			draft.framing = "as-is";
			draft.mayWait = true;
			const length = () => String(random.integer(draft.body.length + 9));
			switch (random.integer(5)) {
				case 0:
					header(draft, "Content-Length", length());
					header(draft, "Content-Length", length());
					break;
				case 1:
					header(draft, "Content-Length", random.pick(LENGTHS));
					break;
				case 2:
					header(draft, "Content-Length", length());
					header(draft, "Transfer-Encoding", random.pick(CODINGS));
					draft.body = `${random.pick(CHUNKS)}${smuggled(forbiddenHost)}`;
					break;
				case 3:
					header(draft, "Transfer-Encoding", random.pick(CODINGS));
					header(draft, "Transfer-Encoding", random.pick(CODINGS));
					draft.body = `0\r\n\r\n${smuggled(forbiddenHost)}`;
					break;
				default:
					header(draft, "Content-Length", length());
					draft.body += smuggled(forbiddenHost);
			}
		},
	},
	{
		name: "odd chunks",
		weight: 4,
		keepsFrame: false,
		apply(draft, random) {
			draft.framing = "as-is";
			draft.mayWait = true;
			header(
				draft,
				random.pick([
					...["Transfer-Encoding", "Transfer-Encoding ", " Transfer-Encoding"],
					...["Transfer\tEncoding", "X: y\r\nTransfer-Encoding"],
				]),
				random.pick(["chunked", random.pick(CODINGS)]),
			);
			draft.body = random.pick(CHUNKS);
		},
	},
	{
		name: "damaged bytes",
		weight: 4,
		keepsFrame: false,
		apply(draft, random) {
			draft.mayWait = true;
			for (let count = 1 + random.integer(3); count > 0; count--)
				draft.damages.push([random.fraction(), random.integer(256)]);
		},
	},
	{
		name: "broken off",
		weight: 3,
		keepsFrame: false,
		apply(draft, random) {
			draft.mayWait = true;
			draft.sentPart = random.fraction();
		},
	},
];

/** Some of the mutations, one to four of them. */
export function pickMutations(
	random: Random,
	keepsFrame: boolean,
): readonly Mutation[] {
	const list = MUTATIONS.filter((one) => one.keepsFrame || !keepsFrame);
	const count = 1 + random.integer(4);
	return Array.from({ length: count }, () => pickWeighted(random, list));
}
