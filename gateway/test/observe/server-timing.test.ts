// Server-Timing: the phases of a request before those of PostgREST, for the roles that may know them.
import { describe, expect, it } from "vitest";
import { rows } from "../support/cache.ts";
import { ADA_TOKEN, startGateway } from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW } from "../support/tokens.ts";

const OF_POSTGREST = "jwt;dur=0.1, plan;dur=0.2";

function start(env: Record<string, string>) {
	return startGateway({
		env,
		now: () => NOW,
		feed: startFeed({ now: () => NOW }),
		answer: () => rows("[]", { headers: { "Server-Timing": OF_POSTGREST } }),
	});
}

function namesIn(answer: Response): string[] | undefined {
	const timing = answer.headers.get("server-timing");
	return timing?.split(", ").map((member) => member.replace(/;dur=\d.*$/, ""));
}

describe("a caller of SERVER_TIMING_ROLES", () => {
	it("is told Postern's phases and then PostgREST's", async () => {
		const { request } = start({ SERVER_TIMING_ROLES: "authenticated" });
		const answer = await request("/rest/v1/notes", { token: ADA_TOKEN });
		expect(namesIn(answer)).toEqual([
			"postern-identity",
			"postern-view",
			"postern-plan",
			"postern-origin",
			"postern-total",
			"jwt",
			"plan",
		]);
	});

	it("is told no phase of the origin where it was not asked", async () => {
		const { request } = start({ SERVER_TIMING_ROLES: "authenticated" });
		await request("/rest/v1/notes", { token: ADA_TOKEN });
		const answer = await request("/rest/v1/notes", { token: ADA_TOKEN });
		expect(namesIn(answer)).toEqual([
			"postern-identity",
			"postern-plan",
			"postern-view",
			"postern-total",
		]);
	});
});

describe("any other caller", () => {
	it.each([
		["by default", {}],
		["with another role", { SERVER_TIMING_ROLES: "authenticated" }],
	])(
		"is told what PostgREST is set to tell, and no more: %s",
		async (_, env) => {
			const answer = await start(env).request("/rest/v1/notes");
			expect(answer.headers.get("server-timing")).toBe(OF_POSTGREST);
		},
	);

	it("is told nothing with a refused token", async () => {
		const { request } = start({ SERVER_TIMING_ROLES: "authenticated,anon" });
		const answer = await request("/rest/v1/notes", { token: "none" });
		expect(namesIn(answer)).toBeUndefined();
	});
});
