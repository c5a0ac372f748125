// The setting SIZE_LIMITS: how large a request and an answer may be, such as `url=8KiB, body=10MiB`.
import * as z from "zod/mini";
import { fault } from "./variables.ts";

export interface SizeLimits {
	/** Bytes of the URL. */
	readonly url: number;
	/** Bytes of all header fields, names included. */
	readonly headers: number;
	/** Bytes of the body. */
	readonly body: number;
	/** Bytes of the body of an answer to a GET. */
	readonly answer: number;
	/** How deep `select` may nest what it embeds. */
	readonly embedDepth: number;
}

/** As much as Cloudflare lets through by any plan's URL, and more than PostgREST takes of headers. */
const DEFAULT_SIZE_LIMITS =
	"url=16KiB, headers=64KiB, body=100MiB, embedDepth=32";

const ENTRY = /^(?<name>\w+) *= *(?:off|(?<amount>\d{1,12})(?<unit>KiB|MiB)?)$/;
const UNITS = { KiB: 1_024, MiB: 1_048_576 };

const OFF: SizeLimits = {
	url: Number.POSITIVE_INFINITY,
	headers: Number.POSITIVE_INFINITY,
	body: Number.POSITIVE_INFINITY,
	answer: Number.POSITIVE_INFINITY,
	embedDepth: Number.POSITIVE_INFINITY,
};

/** The defaults hold for what the text does not name; `off` is no limit. */
export const sizeLimits = z.prefault(
	z.pipe(
		z.string("is not text"),
		z.transform((text: string, { issues }): SizeLimits => {
			const limits = { ...OFF, ...entriesOf(DEFAULT_SIZE_LIMITS, () => {}) };
			return {
				...limits,
				...entriesOf(text, (message) => issues.push(fault(message, text))),
			};
		}),
	),
	DEFAULT_SIZE_LIMITS,
);

function entriesOf(
	text: string,
	report: (fault: string) => void,
): Partial<SizeLimits> {
	const limits: Record<string, number> = {};
	for (const entry of text.split(",").map((entry) => entry.trim())) {
		if (entry === "" && text.trim() === "") continue;
		const { name, amount, unit } = ENTRY.exec(entry)?.groups ?? {};
		if (name === undefined || amount === "0")
			report(`has an entry that is not like body=10MiB: ${entry}`);
		else if (!Object.hasOwn(OFF, name))
			report(`limits ${name}, which is none of ${Object.keys(OFF).join(", ")}`);
		else if (Object.hasOwn(limits, name)) report(`limits ${name} twice`);
		else
			limits[name] =
				amount === undefined
					? Number.POSITIVE_INFINITY
					: Number(amount) * (UNITS[unit as keyof typeof UNITS] ?? 1);
	}
	return limits;
}
