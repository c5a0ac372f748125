// Free ports, as `postern dev` and the tests choose them.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { freePort } from "../../gateway/cli/stack/ports.ts";

/** The first port that Linux gives to outgoing connections; elsewhere the default of Linux, which is the lowest. */
async function firstOutgoingPort(): Promise<number> {
	const range = "/proc/sys/net/ipv4/ip_local_port_range";
	const text = await readFile(range, "utf8").catch(() => "32768 60999");
	return Number(text.split(/\s+/)[0]);
}

describe("a free port", () => {
	test("is one that no outgoing connection takes before its server listens", async () => {
		expect(await freePort()).toBeLessThan(await firstOutgoingPort());
	});

	test("is one that fetch may ask", async () => {
		const refused = 10_080;
		const ports = await Promise.all(Array.from({ length: 700 }, freePort));
		expect(ports).not.toContain(refused);
	});

	test("is given once, though nothing listens on it yet", async () => {
		const ports = await Promise.all(Array.from({ length: 100 }, freePort));
		expect(new Set(ports).size).toBe(100);
	});
});
