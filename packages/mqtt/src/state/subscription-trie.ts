import type { Qos } from '../protocol/publish.ts'
import type { JournalObject } from './journal-port.ts'
import type { Session } from './session.ts'

/** What a client asks for with one topic filter. */
export interface SubscriptionOptions {
  readonly qos: Qos
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** 0 without one. */
  readonly subscriptionId: number
}

/** One filter of one session. */
export interface Subscription extends SubscriptionOptions, JournalObject {
  readonly session: Session
  /** As the client wrote it, `$share` included. */
  readonly written: string
  readonly filter: string
  readonly share: string | undefined
}

/** A session that wants a message, with all its subscriptions that match. */
export interface Target {
  readonly session: Session
  /** The greatest of the subscriptions'. */
  readonly qos: Qos
  readonly retainAsPublished: boolean
  readonly hasNoLocal: boolean
  readonly subscriptionIds: readonly number[]
  readonly subscriptions: readonly Subscription[]
}

/** The members of one share name with one filter. */
export interface ShareGroup {
  readonly members: Map<Session, Subscription>
  /** The members in a row, made anew after a change. */
  row: readonly Subscription[] | undefined
  /** Where the next round begins. */
  turn: number
}

/** Who gets a message: each target, and one member of each group. */
export interface Matches {
  readonly targets: readonly Target[]
  readonly groups: readonly ShareGroup[]
}

interface Node {
  readonly parent: Node | undefined
  readonly level: string
  readonly children: Map<string, Node>
  readonly direct: Map<Session, Subscription>
  readonly shared: Map<string, ShareGroup>
}

const newNode = (parent: Node | undefined, level: string): Node => ({
  parent,
  level,
  children: new Map(),
  direct: new Map(),
  shared: new Map(),
})

const cacheTopicsMax = 2_000
/** Longer topics are looked up each time: nobody may fill the memory with them. */
const cacheTopicLengthMax = 1_024

/** All subscriptions by the levels of their filters. Matches of recent topics are remembered. */
export class SubscriptionTrie {
  readonly #root = newNode(undefined, '')
  readonly #cache = new Map<string, Matches>()
  count = 0

  /** Adds a subscription, or takes the place of the session's former one; gives that one back. */
  add(subscription: Subscription): Subscription | undefined {
    let node = this.#root
    for (const level of subscription.filter.split('/')) {
      let child = node.children.get(level)
      if (!child) {
        child = newNode(node, level)
        node.children.set(level, child)
      }
      node = child
    }
    let members = node.direct
    if (subscription.share !== undefined) {
      let group = node.shared.get(subscription.share)
      if (!group) {
        group = { members: new Map(), row: undefined, turn: 0 }
        node.shared.set(subscription.share, group)
      }
      group.row = undefined
      members = group.members
    }
    const former = members.get(subscription.session)
    members.set(subscription.session, subscription)
    if (!former) this.count++
    this.#cache.clear()
    return former
  }

  remove(subscription: Subscription): void {
    let node: Node | undefined = this.#root
    for (const level of subscription.filter.split('/')) {
      node = node.children.get(level)
      if (!node) return
    }
    const group = subscription.share === undefined ? undefined : node.shared.get(subscription.share)
    const members = subscription.share === undefined ? node.direct : group?.members
    if (!members?.delete(subscription.session)) return
    if (group) group.row = undefined
    if (group?.members.size === 0) node.shared.delete(subscription.share!)
    this.count--
    this.#cache.clear()
    while (
      node?.parent &&
      node.children.size === 0 &&
      node.direct.size === 0 &&
      node.shared.size === 0
    ) {
      node.parent.children.delete(node.level)
      node = node.parent
    }
  }

  /** What a session may read has changed. */
  forgetMatches(): void {
    this.#cache.clear()
  }

  /**
   * Who wants a message on `topic` and may read it. The answer is valid until a subscription or the
   * rights of a session change; of the members of a group not all may read it.
   */
  match(topic: string): Matches {
    const known = this.#cache.get(topic)
    if (known) return known
    const direct = new Map<Session, Subscription[]>()
    const groups: ShareGroup[] = []
    const take = (node: Node): void => {
      for (const subscription of node.direct.values()) {
        const { access } = subscription.session
        if (access !== undefined && !access.mayRead(topic)) continue
        const others = direct.get(subscription.session)
        if (others) others.push(subscription)
        else direct.set(subscription.session, [subscription])
      }
      groups.push(...node.shared.values())
    }
    const levels = topic.split('/')
    const walk = (node: Node, index: number): void => {
      // [MQTT-4.7.2-1]: wildcards at the first level do not match topics that begin with $.
      const wildcards = index > 0 || !topic.startsWith('$')
      const rest = wildcards ? node.children.get('#') : undefined
      if (rest) take(rest)
      if (index === levels.length) {
        take(node)
        return
      }
      const exact = node.children.get(levels[index]!)
      if (exact) walk(exact, index + 1)
      const any = wildcards ? node.children.get('+') : undefined
      if (any) walk(any, index + 1)
    }
    walk(this.#root, 0)
    const targets = [...direct.values()].map(combine)
    const matches = { targets, groups }
    if (topic.length <= cacheTopicLengthMax) {
      if (this.#cache.size >= cacheTopicsMax) this.#cache.clear()
      this.#cache.set(topic, matches)
    }
    return matches
  }

  /** Whether anyone wants a message on `topic`. */
  hasMatch(topic: string): boolean {
    const { targets, groups } = this.match(topic)
    return targets.length + groups.length > 0
  }
}

function combine(subscriptions: Subscription[]): Target {
  return {
    session: subscriptions[0]!.session,
    qos: Math.max(...subscriptions.map(({ qos }) => qos)) as Qos,
    retainAsPublished: subscriptions.some(({ retainAsPublished }) => retainAsPublished),
    hasNoLocal: subscriptions.some(({ noLocal }) => noLocal),
    subscriptionIds: subscriptions.map((one) => one.subscriptionId).filter((id) => id > 0),
    subscriptions,
  }
}

/** What is left of `target` for a message that its own session published. */
export function withoutOwn(target: Target): Target | undefined {
  const rest = target.subscriptions.filter(({ noLocal }) => !noLocal)
  return rest.length === 0 ? undefined : combine(rest)
}
