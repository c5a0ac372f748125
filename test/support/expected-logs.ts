// Lines that workerd itself logs about requests that tests send on purpose. They are dropped, so that a green run prints no warning; every
// other line of workerd is printed.

const EXPECTED = [
	/^A header value for "(Accept|content-location|Prefer)" contains non-ASCII characters/,
	// The answer of the Durable Object to the test whose database is down.
	/^uncaught exception; source = Uncaught \(in promise\); stack = Refusal: The database could not be reached/,
];

/** The test plugin writes each message of workerd in one call, and has no option to choose among them. */
export function dropExpectedLogs(): void {
	for (const stream of [process.stdout, process.stderr]) {
		const write = stream.write.bind(stream);
		stream.write = ((chunk: string, ...others: []) => {
			const isExpected = EXPECTED.some((line) => line.test(chunk));
			return isExpected || write(chunk, ...others);
		}) as typeof stream.write;
	}
}
