// How a lenient server may read a path: percent-encoding undone, also where it is nested, `\` as `/`, empty segments and path
// parameters ignored, dot segments resolved, letters of any case. The gateway's router and the upstream may differ in each of
// these, and what the router does not take for PostgREST's must not be taken for it by the upstream.

/** No server decodes a path more often. */
const MAX_DECODINGS = 5;

/** Whether a server may take the path for the mount, or for a path below it or beginning with its name. */
export function mayBeReadAs(path: string, mount: string): boolean {
	return lenient(path).startsWith(lenient(mount));
}

function lenient(path: string): string {
	let decoded = path;
	for (let times = 0; times < MAX_DECODINGS; times++)
		decoded = decoded.replace(/%([\da-f]{2})/gi, (_, hex: string) =>
			String.fromCharCode(Number.parseInt(hex, 16)),
		);
	const segments: string[] = [];
	for (const part of decoded.split(/[/\\]/)) {
		const segment = part.replace(/;.*/s, "").replace(/[\0-\x20]/g, "");
		if (segment === "..") segments.pop();
		else if (segment !== "" && segment !== ".") segments.push(segment);
	}
	return segments.join("/").toLowerCase();
}
