// A topology's description lists names in the order that Java's hash sets and tree sets give them.
// Tools compare these texts, so that order is part of the format.

/** `String.hashCode` with the spreading of `HashMap`. */
function spreadHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++)
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  return hash ^ (hash >>> 16)
}

/** The order in which a `HashSet` of these texts, added one by one, is walked. */
export function hashOrder(texts: Iterable<string>): string[] {
  const distinct = [...new Set(texts)]
  let capacity = 16
  while (distinct.length > capacity * 0.75) capacity *= 2
  const bucket = (text: string): number => (spreadHash(text) & (capacity - 1)) >>> 0
  // `sort` is stable: texts of one bucket keep the order in which they were added.
  return distinct.sort((a, b) => bucket(a) - bucket(b))
}

/** Orders by UTF-16 code units, as `String.compareTo` does. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

interface TreeNode<T> {
  readonly item: T
  parent: TreeNode<T> | undefined
  left: TreeNode<T> | undefined
  right: TreeNode<T> | undefined
  isRed: boolean
}

/**
 * A red-black tree that is walked in order. Where what items are compared by changes after they were
 * added, the walk depends on the way that each took down the tree: so a sorted list will not do.
 */
export class TreeSet<T> {
  readonly #compare: (a: T, b: T) => number
  #root: TreeNode<T> | undefined

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  add(item: T): void {
    let parent: TreeNode<T> | undefined
    let order = 0
    for (let at = this.#root; at; at = order < 0 ? at.left : at.right) {
      order = this.#compare(item, at.item)
      if (order === 0) return
      parent = at
    }
    const node = { item, parent, left: undefined, right: undefined, isRed: true }
    if (!parent) this.#root = node
    else if (order < 0) parent.left = node
    else parent.right = node
    this.#balance(node)
  }

  *[Symbol.iterator](): Generator<T> {
    yield* walk(this.#root)
  }

  #balance(added: TreeNode<T>): void {
    let node = added
    for (let parent = node.parent; parent?.isRed; parent = node.parent) {
      const grandparent = parent.parent!
      const isLeft = parent === grandparent.left
      const uncle = isLeft ? grandparent.right : grandparent.left
      if (uncle?.isRed) {
        parent.isRed = false
        uncle.isRed = false
        grandparent.isRed = true
        node = grandparent
        continue
      }
      if (node === (isLeft ? parent.right : parent.left)) {
        node = parent
        this.#rotate(node, isLeft)
      }
      node.parent!.isRed = false
      grandparent.isRed = true
      this.#rotate(grandparent, !isLeft)
    }
    this.#root!.isRed = false
  }

  /** Puts a child in its parent's place: the right one, turning to the left, or the other way round. */
  #rotate(node: TreeNode<T>, isToLeft: boolean): void {
    const child = (isToLeft ? node.right : node.left)!
    const inner = isToLeft ? child.left : child.right
    if (isToLeft) {
      node.right = inner
      child.left = node
    } else {
      node.left = inner
      child.right = node
    }
    if (inner) inner.parent = node
    child.parent = node.parent
    if (!node.parent) this.#root = child
    else if (node.parent.left === node) node.parent.left = child
    else node.parent.right = child
    node.parent = child
  }
}

function* walk<T>(node: TreeNode<T> | undefined): Generator<T> {
  if (!node) return
  yield* walk(node.left)
  yield node.item
  yield* walk(node.right)
}
