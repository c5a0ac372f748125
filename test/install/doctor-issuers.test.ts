// What `postern doctor` says of the keys that an issuer publishes, or does not.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { Report } from "../../gateway/cli/doctor/finding.ts";
import { checkIssuers } from "../../gateway/cli/doctor/issuers.ts";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { supabaseEntry } from "../../gateway/src/settings/supabase.ts";

const secret = "s".repeat(32);

/** A Supabase project that gives this answer to every request. */
async function startProject(status: number, body: string) {
	const server = createServer((_, answering) => {
		answering.writeHead(status).end(body);
	}).listen(0, LOOPBACK);
	await once(server, "listening");
	onTestFinished(() => {
		server.close();
	});
	const supabase = `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
	return {
		keysUrl: `${supabase}/auth/v1/.well-known/jwks.json`,
		async findings(fields: { secret?: string } = {}) {
			const { issuers } = supabaseEntry.parse({ supabase, ...fields });
			const report = new Report();
			await checkIssuers({ issuers, access: undefined }, report);
			return report.findings;
		},
	};
}

describe("a Supabase project", () => {
	it("that publishes a key is not in the report", async () => {
		const { findings } = await startProject(200, '{"keys":[{"kty":"EC"}]}');
		expect([await findings(), await findings({ secret })]).toEqual([[], []]);
	});

	it.each([
		[200, '{"keys":[]}', "it has no keys"],
		[401, "{}", "the answer is 401"],
		[404, "{}", "the answer is 404"],
	])(
		"that publishes no keys (%i %s) is wrong without its secret, and noted with it",
		async (status, body, reason) => {
			const { findings, keysUrl } = await startProject(status, body);
			expect(await findings()).toMatchObject([
				{
					problem: expect.stringContaining(
						`fetched from ${keysUrl}: ${reason}`,
					),
					mend: { text: expect.stringMatching(/^set secret in the project's/) },
					isWrong: true,
				},
			]);
			expect(await findings({ secret })).toMatchObject([
				{
					problem: expect.stringContaining(
						`publishes no keys at ${keysUrl} (${reason})`,
					),
					isWrong: false,
				},
			]);
		},
	);

	it.each([
		[500, "{}", "the answer is 500"],
		[200, '{"message":"hello"}', "it is no key set"],
	])(
		"that does not answer as one (%i %s) is wrong also with its secret",
		async (status, body, reason) => {
			const { findings } = await startProject(status, body);
			expect(await findings({ secret })).toMatchObject([
				{
					problem: expect.stringContaining(reason),
					mend: {
						text: expect.stringMatching(/^set supabase in the project's/),
					},
					isWrong: true,
				},
			]);
		},
	);
});
