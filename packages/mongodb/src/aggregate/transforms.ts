import { encodeDocument } from '../bson/encode.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { documentValue, elementsOf, entriesOf, intValue, Value } from '../bson/value.ts'
import { codeError } from '../errors.ts'
import { compileProjection, type Transform } from '../query/projection.ts'
import { compileExpression } from './expression.ts'

/** Stages that make one document of one. */
export const transformStages: ReadonlySet<string> = new Set([
  '$project',
  '$addFields',
  '$set',
  '$unset',
  '$replaceRoot',
  '$replaceWith',
])

/** @throws MongoError where the specification is wrong */
export function compileTransform(
  name: string,
  spec: Value,
  names: readonly string[] = [],
): Transform {
  switch (name) {
    case '$project':
      if (spec.type !== BsonType.object)
        throw codeError('Location15969', '$project specification must be an object')
      if (spec.size <= 5)
        throw codeError(
          'Location51272',
          'Invalid $project :: caused by :: projection specification must have at least one field',
        )
      return compileProjection(spec, { names })
    case '$addFields':
    case '$set':
      if (spec.type !== BsonType.object)
        throw codeError(
          'Location40272',
          `${name} specification stage must be an object, got ${typeName(spec.type)}`,
        )
      return compileProjection(spec, { isAddFields: true, names })
    case '$unset':
      return compileUnset(spec)
    default:
      return compileReplaceRoot(name, spec, names)
  }
}

function compileUnset(spec: Value): Transform {
  const paths = spec.type === BsonType.array ? elementsOf(spec) : [spec]
  const fields: Record<string, Value> = {}
  for (const path of paths) {
    if (path.type !== BsonType.string || path.text === '')
      throw codeError(
        'Location31002',
        '$unset specification must be a string or an array containing only string values',
      )
    fields[path.text] = intValue(0)
  }
  if (paths.length === 0)
    throw codeError(
      'Location31119',
      '$unset specification must be a string or an array with at least one field',
    )
  return compileProjection(documentValue(encodeDocument(fields)))
}

function compileReplaceRoot(name: string, spec: Value, names: readonly string[]): Transform {
  let root = spec
  if (name === '$replaceRoot') {
    if (spec.type !== BsonType.object)
      throw codeError(
        'Location40229',
        `expected an object as specification for $replaceRoot stage, got ${typeName(spec.type)}`,
      )
    const [first, second] = entriesOf(spec)
    if (first?.[0] !== 'newRoot' || second)
      throw codeError('Location40231', 'no newRoot specified for the $replaceRoot stage')
    root = first[1]
  }
  const expression = compileExpression(root, names)
  return (doc, variables) => {
    const value = expression(new Value(BsonType.object, doc, 0), variables)
    if (value.type !== BsonType.object)
      throw codeError(
        'Location40228',
        `'newRoot' expression  must evaluate to an object, but resulting value was: ${typeName(value.type)}`,
      )
    return value.document
  }
}
