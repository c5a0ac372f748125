// The token cookie: only well-formed tokens of a browser's cookies are passed on.
import { describe, expect, it } from "vitest";
import {
	parseTokenCookies,
	setTokenCookie,
} from "../../src/consistency/token-cookie.ts";

const brought = (text: string) =>
	parseTokenCookies(new Headers({ Cookie: text }));

const many = (count: number) =>
	Array.from({ length: count }, (_, index) => `t${index}`);

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
	])("are parsed: %s", (text, names, consistencyTokens) => {
		expect(brought(text)).toEqual({ names, consistencyTokens });
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
	])("are ignored under another name: %s", (text) => {
		expect(brought(text)).toEqual({ names: [], consistencyTokens: [] });
	});

	it("yield no more tokens than a header", () => {
		const text = many(33)
			.map(
				(token, index) =>
					`postern_token_${String(index).padStart(8, "0")}=${token}`,
			)
			.join("; ");
		expect(brought(text).consistencyTokens).toEqual(["0"]);
	});
});

describe("the cookie of an answer", () => {
	function cookies(replaced: string[] = [], isSecure = true): string[] {
		const headers = new Headers();
		setTokenCookie(headers, ["a.b.c", "d"], replaced, isSecure);
		return headers.getSetCookie();
	}

	it("holds the answer's tokens, for the browser's session and this site", () => {
		expect(cookies()).toEqual([
			expect.stringMatching(
				/^postern_token_[\da-f]{8}=a\.b\.c:d; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
			),
		]);
	});

	it("is not Secure on a site without https", () => {
		expect(cookies([], false)[0]).toMatch(/; SameSite=Lax$/);
	});

	it("removes the cookies of the request", () => {
		expect(
			cookies(["postern_token_00000001", "postern_token_00000002"]),
		).toEqual([
			"postern_token_00000001=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure",
			"postern_token_00000002=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure",
			expect.stringContaining("=a.b.c:d;"),
		]);
	});

	it("has a new name each time", () => {
		expect(cookies()[0]?.split("=")[0]).not.toBe(cookies()[0]?.split("=")[0]);
	});

	it("is parsed back into its tokens", () => {
		const [pair = ""] = cookies()[0]?.split(";") ?? [];
		expect(brought(pair)).toEqual({
			names: [pair.split("=")[0]],
			consistencyTokens: ["a.b.c", "d"],
		});
	});
});
