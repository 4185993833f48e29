import type { Message } from './message.ts'

interface Node {
  readonly children: Map<string, Node>
  message: Message | undefined
}

const newNode = (): Node => ({ children: new Map(), message: undefined })

/** The last retained message of each topic, by the levels of the topics. */
export class RetainedStore {
  readonly #root = newNode()
  count = 0
  bytes = 0

  /** Keeps `message` for its topic and gives back the one before. */
  set(message: Message): Message | undefined {
    let node = this.#root
    for (const level of message.topic.split('/')) {
      let child = node.children.get(level)
      if (!child) {
        child = newNode()
        node.children.set(level, child)
      }
      node = child
    }
    const former = node.message
    node.message = message
    this.bytes += message.bytes - (former?.bytes ?? 0)
    if (!former) this.count++
    return former
  }

  /** Forgets the message of `topic` and gives it back. */
  delete(topic: string): Message | undefined {
    const path: [Node, string][] = []
    let node: Node | undefined = this.#root
    for (const level of topic.split('/')) {
      path.push([node, level])
      node = node.children.get(level)
      if (!node) return undefined
    }
    const former = node.message
    if (!former) return undefined
    node.message = undefined
    this.count--
    this.bytes -= former.bytes
    for (const [parent, level] of path.reverse()) {
      const child = parent.children.get(level)!
      if (child.message || child.children.size > 0) break
      parent.children.delete(level)
    }
    return former
  }

  get(topic: string): Message | undefined {
    let node: Node | undefined = this.#root
    for (const level of topic.split('/')) node = node?.children.get(level)
    return node?.message
  }

  /** The messages of all topics that `filter` matches. */
  *match(filter: string): Generator<Message> {
    yield* walk(this.#root, filter.split('/'), 0)
  }

  *[Symbol.iterator](): Generator<Message> {
    yield* below(this.#root, false)
  }
}

function* walk(node: Node, levels: readonly string[], index: number): Generator<Message> {
  const level = levels[index]
  if (level === undefined) {
    if (node.message) yield node.message
  } else if (level === '#') {
    yield* below(node, index === 0)
  } else if (level === '+') {
    for (const [name, child] of node.children)
      if (index > 0 || !name.startsWith('$')) yield* walk(child, levels, index + 1)
  } else {
    const child = node.children.get(level)
    if (child) yield* walk(child, levels, index + 1)
  }
}

function* below(node: Node, withoutSystem: boolean): Generator<Message> {
  if (node.message) yield node.message
  for (const [name, child] of node.children)
    if (!withoutSystem || !name.startsWith('$')) yield* below(child, false)
}
