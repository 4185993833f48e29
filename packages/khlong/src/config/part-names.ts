/** The nine systems, in the order of a frame; `khlong.yml` has a section for each. */
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
] as const

export type PartName = (typeof partNames)[number]
