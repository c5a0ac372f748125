// The figures of the last full run: docs/benchmarks.md shows them, and `npm run bench -- --quick` compares with them.
import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import type { ContenderCost } from "./contenders/costs.ts";
import type { AtDistance } from "./contenders/distance.ts";
import type { ContenderLatency } from "./contenders/latency.ts";
import type { Cost } from "./cost/measure.ts";
import type { Size } from "./cost/sizes.ts";
import type { Growth } from "./growth/growth.ts";
import type { Start } from "./starts/starts.ts";

const FILE = join(import.meta.dirname, "figures.json");

export interface Figures {
	/** The day of the last run that recorded something. */
	readonly measuredOn: string;
	readonly machine: string;
	readonly costs?: readonly Cost[];
	readonly sizes?: readonly Size[];
	readonly starts?: readonly Start[];
	readonly contenders?: readonly ContenderCost[];
	readonly latencies?: readonly ContenderLatency[];
	readonly growth?: readonly Growth[];
	readonly memory?: readonly Size[];
	readonly distances?: readonly AtDistance[];
}

export async function readFigures(): Promise<Figures> {
	return JSON.parse(await readFile(FILE, "utf8"));
}

/** Other figures stay as they are. @returns all, as they are recorded */
export async function recordFigures(
	measured: Partial<Figures>,
): Promise<Figures> {
	const before = await readFigures().catch(() => ({}) as Figures);
	const figures = {
		...before,
		measuredOn: new Date().toISOString().slice(0, 10),
		machine: machine(),
		...measured,
	};
	const text = JSON.stringify(figures, shortened, "\t");
	await writeFile(FILE, `${text}\n`);
	return JSON.parse(text);
}

/** Three digits are as many as a measurement gives. */
function shortened(_: string, value: unknown): unknown {
	return typeof value === "number" && !Number.isInteger(value)
		? Number(value.toPrecision(3))
		: value;
}

function machine(): string {
	const [first] = cpus();
	const gib = Math.round(totalmem() / 2 ** 30);
	return `${cpus().length} cores (${first?.model.trim()}), ${gib} GiB, Node ${process.versions.node}`;
}
