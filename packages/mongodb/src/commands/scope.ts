import { compileExpression } from '../aggregate/expression.ts'
import type { Scope, Variables } from '../aggregate/operator.ts'
import { documentValue, EMPTY_DOCUMENT, entriesOf, type Value } from '../bson/value.ts'

/** The variables that a command's `let` defines. */
export function scopeOf(bindings: Value | undefined): Scope {
  const names: string[] = []
  let variables: Variables | undefined
  if (bindings)
    for (const [name, value] of entriesOf(bindings)) {
      names.push(name)
      const constant = compileExpression(value)(documentValue(EMPTY_DOCUMENT), undefined)
      variables = { name, value: constant, next: variables }
    }
  return { names, variables }
}
