// The grammar of Idempotency-Key: a String of RFC 9651, or its bare text.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/http/refusals.ts";
import { idempotencyKeyOf } from "../../src/idempotency/idempotency-key.ts";

const keyOf = (sent: string, method = "POST") =>
	idempotencyKeyOf(
		new Request("http://postgrest/notes", {
			method,
			headers: { "Idempotency-Key": sent },
		}),
	);

describe("a key", () => {
	it.each([
		[
			'"8e03978e-40d5-43dd-bc93-6894a57f9324"',
			"8e03978e-40d5-43dd-bc93-6894a57f9324",
		],
		[
			"8e03978e-40d5-43dd-bc93-6894a57f9324",
			"8e03978e-40d5-43dd-bc93-6894a57f9324",
		],
		['"a \\"b\\" \\\\ c, d;"', 'a "b" \\ c, d;'],
		["a/b:c+d=e~[f]", "a/b:c+d=e~[f]"],
		[`"${"k".repeat(255)}"`, "k".repeat(255)],
	])("is read from %s", (sent, key) => {
		expect(keyOf(sent)).toBe(key);
	});

	it.each([
		"",
		'""',
		'"open',
		'"a", "b"',
		"a, b",
		"a b",
		"a;b=1",
		'"a";b=1',
		'"a\\n"',
		"k".repeat(256),
		"a\\b",
	])("is refused: %s", (sent) => {
		expect(() => keyOf(sent)).toThrow(Refusal);
	});

	it("is read back from every String", () => {
		const printable = fc.string({
			unit: fc
				.integer({ min: 0x20, max: 0x7e })
				.map((code) => String.fromCharCode(code)),
			minLength: 1,
			maxLength: 255,
		});
		fc.assert(
			fc.property(printable, (key) => {
				expect(keyOf(`"${key.replace(/[\\"]/g, "\\$&")}"`)).toBe(key);
			}),
		);
	});

	it.each(["GET", "HEAD", "OPTIONS"])("means nothing with %s", (method) => {
		expect(keyOf("a, b", method)).toBeUndefined();
	});
});
