import type { Serde } from '../serdes/serde.ts'

// What the compiler knows of serdes. Nothing here exists at run time, where `checkSerdes` asks the
// same of the whole topology. States are looked up and never compared by conditional types: so the
// compiler sees at once that a stream of any state is one of `SerdesState`.

/**
 * What is known of one serde: it is `given`, it is `missing`, or there is a `default` in the settings.
 * A default stays one: it stands in wherever nothing is given.
 */
export type SerdeFact = 'given' | 'missing' | 'default'

/**
 * What is known of a stream's serdes. As itself it says that nothing is known: all is allowed, and
 * what is missing is found when the application is made.
 */
export interface SerdesState {
  readonly key: SerdeFact
  readonly value: SerdeFact
  /** Whether the key may have changed since the records were last partitioned by it. */
  readonly keys: 'kept' | 'changed'
}

/** The state of a stream, table or group; the compiler keeps it. */
export interface SerdesAre<
  Key extends SerdeFact,
  Value extends SerdeFact,
  Keys extends SerdesState['keys'] = 'kept',
> {
  readonly key: Key
  readonly value: Value
  readonly keys: Keys
}

/** For `new StreamsBuilder<DefaultSerdes>()`: the settings have both default serdes. */
export type DefaultSerdes = SerdesAre<'default', 'default'>
/** For `new StreamsBuilder<DefaultKeySerde>()`: the settings have `default.key.serde` alone. */
export type DefaultKeySerde = SerdesAre<'default', 'missing'>
/** For `new StreamsBuilder<DefaultValueSerde>()`: the settings have `default.value.serde` alone. */
export type DefaultValueSerde = SerdesAre<'missing', 'default'>
/** Without defaults in the settings every serde is given where it is needed. */
export type NoDefaultSerdes = SerdesAre<'missing', 'missing'>

/** The fact behind an operator that makes something else of keys or values. */
export interface Forgotten {
  readonly given: 'missing'
  readonly missing: 'missing'
  readonly default: 'default'
}
/** The fact behind an operator that has asked for the serde, or has one of its own. */
export interface Given {
  readonly given: 'given'
  readonly missing: 'given'
  readonly default: 'default'
}
/** The fact behind options that may have the serde. */
interface Learned<Said, Name extends string> {
  readonly given: 'given'
  readonly missing: Name extends Said ? 'given' : 'missing'
  readonly default: 'default'
}
export type KeyLearned<S extends SerdesState, Said> = Learned<Said, 'keySerde'>[S['key']]
type ValueLearned<S extends SerdesState, Said> = Learned<Said, 'valueSerde'>[S['value']]

// Each is looked up in itself: so messages of the compiler show the state, not the way to it.

/** With other values. */
export type OtherValues<S extends SerdesState> = {
  readonly state: SerdesAre<S['key'], Forgotten[S['value']], S['keys']>
}['state']
/** With other keys. */
export type OtherKeys<S extends SerdesState> = {
  readonly state: SerdesAre<Forgotten[S['key']], S['value'], 'changed'>
}['state']
/** With other keys and values. */
export type OtherRecords<S extends SerdesState> = {
  readonly state: SerdesAre<Forgotten[S['key']], Forgotten[S['value']], 'changed'>
}['state']
/** With both serdes given. */
export type BothGiven<S extends SerdesState> = {
  readonly state: SerdesAre<Given[S['key']], Given[S['value']]>
}['state']
/** With what options say, and the key as it lies. */
export type BothLearned<S extends SerdesState, Said> = {
  readonly state: SerdesAre<KeyLearned<S, Said>, ValueLearned<S, Said>>
}['state']

interface Changed {
  readonly kept: { readonly kept: 'kept'; readonly changed: 'changed' }
  readonly changed: { readonly kept: 'changed'; readonly changed: 'changed' }
}
/** The state of two streams in one: as in Java, their serdes are not looked at. */
export type Merged<S extends SerdesState, Other extends SerdesState> = {
  readonly state: SerdesAre<
    Forgotten[S['key'] | Other['key']],
    Forgotten[S['value'] | Other['value']],
    Changed[S['keys']][Other['keys']]
  >
}['state']

interface EitherGiven {
  readonly given: Given
  readonly missing: {
    readonly given: 'given'
    readonly missing: 'missing'
    readonly default: 'default'
  }
  readonly default: {
    readonly given: 'default'
    readonly missing: 'default'
    readonly default: 'default'
  }
}
/** The state of a cogroup with one more stream: the serde of keys of any of them will do. */
export type Cogrouped<S extends SerdesState, Other extends SerdesState> = {
  readonly state: SerdesAre<EitherGiven[S['key']][Other['key']], S['value']>
}['state']

/** Nothing before this operator says how keys are written. */
interface KeySerdeIsMissing {
  readonly 'give keySerde to this operator or to one before it': never
}
/** Nothing before this operator says how values are written. */
interface ValueSerdeIsMissing {
  readonly 'give valueSerde to this operator or to one before it': never
}
/** Nothing before this operator says how the values of the other stream are written. */
interface OtherValueSerdeIsMissing {
  readonly 'give otherValueSerde to this operator, or valueSerde to one of the other stream': never
}
interface Known<Missing> {
  readonly given: unknown
  readonly missing: Missing
  readonly default: unknown
}

/** A stream that an operator may be called on without options, where it needs the serde of keys. */
export type KeyKnown<S extends SerdesState> = Known<KeySerdeIsMissing>[S['key']]
/** The same where it needs both serdes. */
export type BothKnown<S extends SerdesState> = KeyKnown<S> & Known<ValueSerdeIsMissing>[S['value']]
/** The same where it needs them for the topic that a changed key leads through. */
export type KnownIfChanged<S extends SerdesState> = {
  readonly kept: unknown
  readonly changed: BothKnown<S>
}[S['keys']]
/** The same where it needs the serde of another stream's values. */
export type OtherValueKnown<Other extends SerdesState> =
  Known<OtherValueSerdeIsMissing>[Other['value']]

/**
 * Options, and in `Said` the names of those that are given. What is given in an object whose type
 * leaves open what it has counts as given. Where type arguments are named, `Said` is not inferred: its
 * default is `never`, which asks for all, or all names where the operator need not ask.
 */
export type Options<Said extends PropertyKey, Known> = Known & {
  readonly [Name in Said]?: unknown
}

interface WithKeySerde<K> {
  readonly keySerde: Serde<K>
}
interface WithValueSerde<V> {
  readonly valueSerde: Serde<V>
}
interface WithOtherValueSerde<V> {
  readonly otherValueSerde: Serde<V>
}
interface Asked<Said, Name extends string, With> {
  readonly given: unknown
  readonly missing: Name extends Said ? unknown : With
  readonly default: unknown
}

/** What options must have, of which `Said` are given, where the serde of keys is needed. */
export type KeyAsked<S extends SerdesState, K, Said> = Asked<
  Said,
  'keySerde',
  WithKeySerde<K>
>[S['key']]
/** The same where both serdes are needed. */
export type BothAsked<S extends SerdesState, K, V, Said> = KeyAsked<S, K, Said> &
  Asked<Said, 'valueSerde', WithValueSerde<V>>[S['value']]
/** The same where the serde of another stream's values is needed. */
export type OtherValueAsked<Other extends SerdesState, V, Said> = Asked<
  Said,
  'otherValueSerde',
  WithOtherValueSerde<V>
>[Other['value']]
/** The same where a changed key leads through a topic. */
export type AskedIfChanged<S extends SerdesState, K, V, Said> = {
  readonly kept: unknown
  readonly changed: BothAsked<S, K, V, Said>
}[S['keys']]
/** The same where a name makes a store. */
export type AskedIfNamed<S extends SerdesState, K, V, Said> = 'storeName' extends Said
  ? BothAsked<S, K, V, Said>
  : unknown
/** The same where any word on how the table is kept makes a store. */
export type AskedIfKept<S extends SerdesState, K, V, Said> = [Said] extends ['name']
  ? unknown
  : BothAsked<S, K, V, Said>
