import type { Topology } from '../topology/topology.ts'

/** Gives a topic's real name: internal ones of a topology get the application's id in front. */
export function internalTopicNamer(
  topology: Topology,
  applicationId: string,
): (topic: string) => string {
  return (topic) => (topology.internalTopics.has(topic) ? `${applicationId}-${topic}` : topic)
}
