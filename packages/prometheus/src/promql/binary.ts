import type { Labels } from '../labels.ts'
import type { BinaryOperator, VectorMatching } from './ast.ts'
import { executionError, type Sample } from './value.ts'

const comparisons: readonly BinaryOperator[] = ['==', '!=', '>', '<', '>=', '<=']

export const isComparison = (operator: BinaryOperator): boolean => comparisons.includes(operator)

/** The value of an arithmetic operator, or 1 and 0 of a comparison. */
export function applyOperator(operator: BinaryOperator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    case '%':
      return left % right
    case '^':
      // JavaScript gives NaN for 1 ^ NaN and 1 ^ Inf; IEEE 754 gives 1.
      return left === 1
        ? 1
        : left === -1 && !Number.isFinite(right) && !Number.isNaN(right)
          ? 1
          : left ** right
    case 'atan2':
      return Math.atan2(left, right)
    case '==':
      return left === right ? 1 : 0
    case '!=':
      return left !== right ? 1 : 0
    case '>':
      return left > right ? 1 : 0
    case '<':
      return left < right ? 1 : 0
    case '>=':
      return left >= right ? 1 : 0
    case '<=':
      return left <= right ? 1 : 0
    default:
      throw new Error(`${operator} works on vectors only`)
  }
}

/** A vector and a scalar, the scalar on the right unless `swapped`. */
export function vectorScalar(
  operator: BinaryOperator,
  vector: readonly Sample[],
  scalar: number,
  swapped: boolean,
  bool: boolean,
): Sample[] {
  const filters = isComparison(operator) && !bool
  const result: Sample[] = []
  for (const { labels, value } of vector) {
    const outcome = swapped
      ? applyOperator(operator, scalar, value)
      : applyOperator(operator, value, scalar)
    if (filters) {
      if (outcome === 1) result.push({ labels, value })
    } else result.push({ labels: labels.withoutName(), value: outcome })
  }
  return result
}

/** Gives, for labels, what decides which elements belong together. */
function signatureOf(matching: VectorMatching): (labels: Labels) => string {
  const { on, labels: names } = matching
  if (on) return (labels) => labels.only(names).key
  const without = ['__name__', ...names]
  return (labels) => labels.without(without).key
}

/** `and`, `or`, `unless`. */
export function setOperation(
  operator: BinaryOperator,
  left: readonly Sample[],
  right: readonly Sample[],
  matching: VectorMatching,
): Sample[] {
  const signature = signatureOf(matching)
  if (operator === 'or') {
    const known = new Set(left.map(({ labels }) => signature(labels)))
    return [...left, ...right.filter(({ labels }) => !known.has(signature(labels)))]
  }
  const known = new Set(right.map(({ labels }) => signature(labels)))
  return left.filter(({ labels }) => known.has(signature(labels)) === (operator === 'and'))
}

/** Arithmetic and comparison of two vectors. */
export function vectorVector(
  operator: BinaryOperator,
  left: readonly Sample[],
  right: readonly Sample[],
  matching: VectorMatching,
  bool: boolean,
): Sample[] {
  const signature = signatureOf(matching)
  const swapped = matching.card === 'one-to-many'
  const [many, one] = swapped ? [right, left] : [left, right]
  const bySignature = new Map<string, Sample>()
  for (const sample of one) {
    const key = signature(sample.labels)
    if (bySignature.has(key))
      throw executionError(
        `found duplicate series for the match group ${matchGroup(sample.labels, matching)} on the ${swapped ? 'left' : 'right'} hand-side of the operation: [${sample.labels}, ${bySignature.get(key)!.labels}];many-to-many matching not allowed: matching labels must be unique on one side`,
      )
    bySignature.set(key, sample)
  }
  const filters = isComparison(operator) && !bool
  const seen = new Set<string>()
  const result: Sample[] = []
  for (const sample of many) {
    const key = signature(sample.labels)
    const other = bySignature.get(key)
    if (!other) continue
    const [leftValue, rightValue] = swapped
      ? [other.value, sample.value]
      : [sample.value, other.value]
    const outcome = applyOperator(operator, leftValue, rightValue)
    if (filters && outcome === 0) continue
    const labels = resultLabels(sample.labels, other.labels, matching, filters)
    const resultKey = matching.card === 'one-to-one' ? key : labels.key
    if (seen.has(resultKey))
      throw executionError(
        matching.card === 'one-to-one'
          ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
          : 'multiple matches for labels: grouping labels must ensure unique matches',
      )
    seen.add(resultKey)
    result.push({ labels, value: filters ? leftValue : outcome })
  }
  return result
}

function matchGroup(labels: Labels, matching: VectorMatching): string {
  return String(
    matching.on ? labels.only(matching.labels) : labels.without(['__name__', ...matching.labels]),
  )
}

function resultLabels(
  many: Labels,
  one: Labels,
  matching: VectorMatching,
  keepName: boolean,
): Labels {
  const base = keepName ? many : many.withoutName()
  if (matching.card === 'one-to-one') {
    if (matching.on) return base.only(keepName ? ['__name__', ...matching.labels] : matching.labels)
    return base.without(matching.labels)
  }
  if (matching.include.length === 0) return base
  return base.with(Object.fromEntries(matching.include.map((name) => [name, one.get(name)])))
}
