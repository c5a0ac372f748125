// Tokens in headers and cookies: what a client sends is read carefully, and nothing of it but tokens goes on.
import { describe, expect, it } from "vitest";
import {
	parseConsistencyTokens,
	parseTokenCookies,
	setConsistencyTokens,
	setTokenCookie,
} from "../../src/consistency/client-tokens.ts";

const sent = (text: string) =>
	parseConsistencyTokens(new Headers({ "Postern-Token": text }));
const brought = (text: string) =>
	parseTokenCookies(new Headers({ Cookie: text }));

const LONGEST = "t".repeat(200);
const many = (count: number) =>
	Array.from({ length: count }, (_, index) => `t${index}`);

describe("the tokens of a request", () => {
	it("are none where it has no header", () => {
		expect(parseConsistencyTokens(new Headers())).toEqual([]);
	});

	it.each([
		["e.l.k3", ["e.l.k3"]],
		["e.l.k3, e.l.k4", ["e.l.k3", "e.l.k4"]],
		[" e.l.k3 ,,e-1._l.k4 ,", ["e.l.k3", "e-1._l.k4"]],
		["a, a, b", ["a", "b"]],
		[LONGEST, [LONGEST]],
		["", []],
		[", ,", []],
	])("are read: %s", (text, expected) => {
		expect(sent(text)).toEqual(expected);
	});

	it.each([
		"a b",
		"a;b",
		'a"b"',
		"a=b",
		"a:b",
		"a/b",
		"é",
		`${LONGEST}t`,
		"<x>",
	])("are none that anything covers where they are malformed: %s", (text) => {
		expect(sent(`ok, ${text}`)).toEqual(["ok", "0"]);
	});

	it("are those of several headers", () => {
		const headers = new Headers([
			["Postern-Token", "a"],
			["postern-token", "b"],
		]);
		expect(parseConsistencyTokens(headers)).toEqual(["a", "b"]);
	});

	it("are 32 at the most", () => {
		expect(sent(many(32).join())).toEqual(many(32));
	});

	it("are one that nothing covers where there are more", () => {
		expect(sent(many(33).join())).toEqual(["0"]);
	});

	it("are as many as are different", () => {
		expect(sent(Array(100).fill("a").join())).toEqual(["a"]);
	});

	it("come back as they were sent", () => {
		const headers = new Headers();
		setConsistencyTokens(headers, ["a.b.c", "d-e_f"]);
		expect(parseConsistencyTokens(headers)).toEqual(["a.b.c", "d-e_f"]);
	});
});

describe("the cookies of a browser", () => {
	it.each([
		["", [], []],
		["other=1", [], []],
		["postern_token_0a1b2c3d=a", ["postern_token_0a1b2c3d"], ["a"]],
		[
			"x=1; postern_token_0a1b2c3d=a:b;y=2",
			["postern_token_0a1b2c3d"],
			["a", "b"],
		],
		[
			"postern_token_00000001=a; postern_token_00000002=b",
			["postern_token_00000001", "postern_token_00000002"],
			["a", "b"],
		],
		["postern_token_00000001=", ["postern_token_00000001"], []],
		["postern_token_00000001", ["postern_token_00000001"], []],
		["postern_token_00000001=a b", ["postern_token_00000001"], ["0"]],
		["postern_token_00000001=a=b", ["postern_token_00000001"], ["a"]],
	])("are read: %s", (text, names, tokens) => {
		expect(brought(text)).toEqual({ names, tokens });
	});

	it.each([
		"postern_token=a",
		"postern_token_=a",
		"postern_token_0a1b2c3=a",
		"postern_token_0a1b2c3d4=a",
		"postern_token_0A1B2C3D=a",
		"xpostern_token_0a1b2c3d=a",
		"postern_token_0a1b2c3d,=a",
		'postern_token_"a"bcdef=a',
	])("are not those of another name: %s", (text) => {
		expect(brought(text)).toEqual({ names: [], tokens: [] });
	});

	it("have no more tokens than a header", () => {
		const text = many(33)
			.map(
				(token, index) =>
					`postern_token_${String(index).padStart(8, "0")}=${token}`,
			)
			.join("; ");
		expect(brought(text).tokens).toEqual(["0"]);
	});
});

describe("the cookie of an answer", () => {
	function cookies(replaced: string[] = [], isSecure = true): string[] {
		const headers = new Headers();
		setTokenCookie(headers, ["a.b.c", "d"], replaced, isSecure);
		return headers.getSetCookie();
	}

	it("holds its tokens, for the browser's session and this site", () => {
		expect(cookies()).toEqual([
			expect.stringMatching(
				/^postern_token_[\da-f]{8}=a\.b\.c:d; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
			),
		]);
	});

	it("is not Secure where the site is not", () => {
		expect(cookies([], false)[0]).toMatch(/; SameSite=Lax$/);
	});

	it("takes back those that the tokens stand for", () => {
		expect(
			cookies(["postern_token_00000001", "postern_token_00000002"]),
		).toEqual([
			"postern_token_00000001=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure",
			"postern_token_00000002=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure",
			expect.stringContaining("=a.b.c:d;"),
		]);
	});

	it("has a name of its own", () => {
		expect(cookies()[0]?.split("=")[0]).not.toBe(cookies()[0]?.split("=")[0]);
	});

	it("is read back", () => {
		const [pair = ""] = cookies()[0]?.split(";") ?? [];
		expect(brought(pair)).toEqual({
			names: [pair.split("=")[0]],
			tokens: ["a.b.c", "d"],
		});
	});
});
