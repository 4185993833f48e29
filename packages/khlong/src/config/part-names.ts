/** The nine systems, in the order of a frame, and the way to a centre; `khlong.yml` has a section for each. */
export const partNames = [
  'sensors',
  'mqtt',
  'zookeeper',
  'kafka',
  'connect',
  'streams',
  'mongodb',
  'prometheus',
  'grafana',
  'forward',
] as const

export type PartName = (typeof partNames)[number]

/** A fleet is for demonstrations, and not every pipeline has a centre: these run where `khlong.yml` names them. */
export const askedForParts: readonly PartName[] = ['sensors', 'forward']
