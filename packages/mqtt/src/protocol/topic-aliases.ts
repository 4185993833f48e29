import { ProtocolError } from '../errors.ts'
import type { PublishPacket } from './publish.ts'
import { Reason } from './reason.ts'
import { isTopicName } from './topic.ts'

/** The topic aliases that one client has set (MQTT 5 section 3.3.2.3.4). */
export class TopicAliases {
  readonly #aliasMax: number
  readonly #topics = new Map<number, string>()

  constructor(aliasMax: number) {
    this.#aliasMax = aliasMax
  }

  /**
   * The topic of a PUBLISH, by its name or its alias.
   *
   * @throws ProtocolError
   */
  topicOf({ topic, topicAlias }: PublishPacket): string {
    if (topicAlias > this.#aliasMax)
      throw new ProtocolError(Reason.topicAliasInvalid, `topic alias ${topicAlias}`)
    if (topic !== '') {
      if (!isTopicName(topic)) throw new ProtocolError(Reason.topicNameInvalid, 'a topic name')
      if (topicAlias > 0) this.#topics.set(topicAlias, topic)
      return topic
    }
    const known = this.#topics.get(topicAlias)
    if (known !== undefined) return known
    throw new ProtocolError(
      topicAlias > 0 ? Reason.protocolError : Reason.topicNameInvalid,
      'a PUBLISH without topic',
    )
  }
}
