/** An error of the API (RFC 9457): what happened, and what to do about it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    /** Never changes between releases, such as "not-embedded-yet". */
    readonly code: string,
    readonly detail: string,
    readonly hint: string,
  ) {
    super(detail);
    this.name = "Problem";
  }

  static async of(response: Response): Promise<Problem> {
    const text = await response.text();
    try {
      const { code, detail, hint } = JSON.parse(text) as Record<string, unknown>;
      if (typeof code === "string" && typeof detail === "string") {
        return new Problem(response.status, code, detail, typeof hint === "string" ? hint : "");
      }
    } catch {
      // what follows says what came instead
    }
    return new Problem(response.status, "unexpected-answer", `${response.status} ${response.statusText}`, text.slice(0, 200));
  }

  /** The server cannot be reached. */
  static offline(): Problem {
    return new Problem(0, "offline", "", "");
  }

  get isOffline(): boolean {
    return this.code === "offline";
  }
}
