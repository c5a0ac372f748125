// The page at /docs: its files, who gets them, and its content security policy.
import { describe, expect, it } from "vitest";
import {
	type RequestOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";

const FILES: Record<string, string> = {
	"/docs/index.html": "<!doctype html>",
	"/docs/swagger-ui/swagger-ui.css": "body {}",
	"/notes": "not an API",
	"/index.html": "not an API",
};

const ETAG = '"1"';

/** A gateway whose assets are FILES, and the paths that it asked them for. */
function startWithAssets() {
	const asked: string[] = [];
	const gateway = startGateway({
		async assets({ url, headers }) {
			const { pathname } = new URL(url);
			asked.push(pathname);
			const file = FILES[pathname];
			if (file === undefined) return new Response(null, { status: 404 });
			return headers.get("if-none-match") === ETAG
				? new Response(null, { status: 304, headers: { ETag: ETAG } })
				: new Response(file, { headers: { ETag: ETAG } });
		},
	});
	return { ...gateway, asked };
}

function ask(path: string, options?: RequestOptions): Promise<Response> {
	return startWithAssets().request(path, options);
}

describe("the page at /docs", () => {
	it.each(["/docs", "/docs/"])("is found at %s", async (path) => {
		const response = await ask(path);
		expect([response.status, await response.text()]).toEqual([
			200,
			"<!doctype html>",
		]);
	});

	it("has files below it", async () => {
		const response = await ask("/docs/swagger-ui/swagger-ui.css");
		expect([response.status, await response.text()]).toEqual([200, "body {}"]);
	});

	it("is served without asking the origin, with any token", async () => {
		const { request, origin } = startWithAssets();
		const { status } = await request("/docs", { token: "abc.def.ghi" });
		expect([status, origin.received]).toEqual([200, []]);
	});

	it("is answered with 304 if the browser has it", async () => {
		const { status } = await ask("/docs", {
			headers: { "If-None-Match": ETAG },
		});
		expect(status).toBe(304);
	});

	it.each(["/docs", "/docs/swagger-ui/swagger-ui.css"])(
		"runs no script of another host and none inline, and may not be framed: %s",
		async (path) => {
			const { headers } = await ask(path);
			expect([
				headers.get("x-content-type-options"),
				headers.get("x-frame-options"),
				headers.get("referrer-policy"),
				headers.get("cross-origin-opener-policy"),
				headers.get("cross-origin-resource-policy"),
			]).toEqual([
				"nosniff",
				"DENY",
				"no-referrer",
				"same-origin",
				"same-origin",
			]);
			expect(headers.get("content-security-policy")?.split("; ")).toEqual([
				"default-src 'none'",
				"script-src 'self'",
				"style-src 'self'",
				"img-src 'self' data:",
				"connect-src 'self'",
				"base-uri 'none'",
				"form-action 'none'",
				"frame-ancestors 'none'",
			]);
		},
	);

	it.each(["/docs/nothing.js", "/docs/swagger-ui", "/docs/..%2fnotes"])(
		"has no such file: %s",
		async (path) => {
			expect(await refusal(await ask(path))).toEqual({
				status: 404,
				code: "route_unknown",
			});
		},
	);

	it("refuses other methods than GET and HEAD", async () => {
		expect(await refusal(await ask("/docs", { method: "POST" }))).toEqual({
			status: 405,
			code: "method_not_allowed",
		});
	});

	it("is not found if the runtime has no assets", async () => {
		expect(await refusal(await startGateway().request("/docs"))).toEqual({
			status: 404,
			code: "route_unknown",
		});
	});
});

describe("an asset with the path of a route", () => {
	it.each(["/notes", "/index.html", "/rest/v1/notes"])(
		"is never read: %s",
		async (path) => {
			const { request, asked } = startWithAssets();
			await request(path);
			expect(asked).toEqual([]);
		},
	);
});
