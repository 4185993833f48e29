/** Cases in which ours differs from Java's library, with the reason. */
export const knownDifferences: ReadonlyMap<string, string> = new Map(
  [
    'KTable.filter(materialized): cached',
    'KTable.mapValues(materialized): cached',
    'KGroupedStream.windowedBy(sliding).suppress(untilWindowCloses): cached',
  ].map((name) => [
    name,
    'the record cache of Java leaves out a deletion of what was absent, and an old value that it has not given out',
  ]),
)
