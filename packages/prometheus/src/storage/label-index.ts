import type { Labels, Matcher } from '../labels.ts'

/** Finds series by their labels: for each name and value the series that have it. */
export class LabelIndex<Series extends { readonly labels: Labels }> {
  readonly #all = new Set<Series>()
  readonly #byName = new Map<string, Map<string, Set<Series>>>()

  add(series: Series): void {
    this.#all.add(series)
    const { pairs } = series.labels
    for (let index = 0; index < pairs.length; index += 2) {
      const byValue = this.#byName.get(pairs[index]!) ?? new Map<string, Set<Series>>()
      this.#byName.set(pairs[index]!, byValue)
      const postings = byValue.get(pairs[index + 1]!) ?? new Set()
      byValue.set(pairs[index + 1]!, postings)
      postings.add(series)
    }
  }

  remove(series: Series): void {
    this.#all.delete(series)
    const { pairs } = series.labels
    for (let index = 0; index < pairs.length; index += 2) {
      const byValue = this.#byName.get(pairs[index]!)
      const postings = byValue?.get(pairs[index + 1]!)
      postings?.delete(series)
      if (postings?.size === 0) byValue?.delete(pairs[index + 1]!)
      if (byValue?.size === 0) this.#byName.delete(pairs[index]!)
    }
  }

  /** Series that meet every matcher. Equalities narrow down; the rest is tried on what is left. */
  select(matchers: readonly Matcher[]): Series[] {
    let candidates: ReadonlySet<Series> = this.#all
    for (const matcher of matchers) {
      if (matcher.kind !== '=' || matcher.value === '') continue
      const postings = this.#byName.get(matcher.name)?.get(matcher.value)
      if (!postings) return []
      if (postings.size < candidates.size) candidates = postings
    }
    return [...candidates].filter((series) =>
      matchers.every((matcher) => matcher.matches(series.labels.get(matcher.name))),
    )
  }
}
