import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { Failure, type FailureDetail } from '../errors.ts'
import { isPreset, PRESETS, type Preset, presetFault } from './fault-presets.ts'
import { wrongFields } from './schema-errors.ts'

const Whole = (minimum: number, maximum: number) => Type.Optional(Type.Integer({ minimum, maximum }))
const Path = Type.String({ minLength: 1 })
const MOST_MS = 600_000

/** What goes wrong, with which requests, and how often. */
export const Fault = Type.Object(
  {
    /** Decoded, without its query; one that ends in `*` stands for all that begin so. `/attache/*` are the links, `*` is everything. */
    path: Type.Union([Path, Type.Array(Path, { minItems: 1 })]),
    /** Any method unless said. */
    method: Type.Optional(Type.String({ pattern: '^[A-Z]+$' })),
    /** How many requests it meets; 1 unless said. */
    times: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Literal('always')])),
    /** Answers with this instead of the service; without it the service does its work and only the answer suffers. */
    status: Whole(400, 599),
    /** How the answer is written; as the plane does it unless said. */
    as: Type.Optional(Type.Union([Type.Literal('json'), Type.Literal('text'), Type.Literal('xml')])),
    message: Type.Optional(Type.String()),
    retryAfterSeconds: Whole(0, 86_400),
    /** Before anything else happens. */
    delayMs: Whole(1, MOST_MS),
    bytesPerSecond: Whole(1, 1_000_000_000),
    /** After so many bytes of the body the connection is destroyed; 0 leaves the request without any answer. */
    cutAfterBytes: Whole(0, Number.MAX_SAFE_INTEGER),
    /** After so many bytes of the body nothing more comes. */
    stallAfterBytes: Whole(0, Number.MAX_SAFE_INTEGER),
  },
  { additionalProperties: false },
)
export type Fault = Type.Static<typeof Fault>

/** A preset by its name, or a fault of one's own; beside a preset, fields replace those of the preset. */
export type FaultRequest = (Fault & { preset?: undefined }) | (Partial<Fault> & { preset: Preset })

export interface ActiveFault extends Fault {
  id: number
  preset: Preset | undefined
  /** How many more requests it meets. */
  left: number | 'always'
}

export type Faults = ReturnType<typeof faults>

const EFFECTS = ['status', 'delayMs', 'bytesPerSecond', 'cutAfterBytes', 'stallAfterBytes'] as const

/** The faults that wait for their requests. The oldest that fits a request is taken. */
export function faults({ bucket }: { bucket: string }) {
  let active: ActiveFault[] = []
  let count = 0
  let checker: ReturnType<typeof Compile<typeof Fault>> | undefined

  function readFault(asked: unknown): Fault & { preset: Preset | undefined } {
    if (typeof asked !== 'object' || asked === null || Array.isArray(asked)) {
      throw invalid([{ path: '', message: '必须为对象 (must be an object)' }])
    }
    const { preset, ...own } = asked as { preset?: unknown }
    if (preset !== undefined && !isPreset(preset)) {
      throw invalid([{ path: 'preset', message: `必须为其中之一 (must be one of): ${PRESETS.join(', ')}` }])
    }
    const fault = preset === undefined ? own : { ...presetFault(preset, bucket), ...own }
    checker ??= Compile(Fault)
    if (!checker.Check(fault)) throw invalid(wrongFields(checker.Errors(fault)))
    if (!EFFECTS.some((effect) => fault[effect] !== undefined)) {
      throw invalid([{ path: '', message: `至少需要其中之一 (give at least one of): ${EFFECTS.join(', ')}` }])
    }
    return { ...fault, preset }
  }

  return {
    /** Throws a `Failure` that names the field which is wrong. */
    add(asked: unknown): ActiveFault {
      const { preset, ...fault } = readFault(asked)
      const added: ActiveFault = { id: ++count, preset, ...fault, left: fault.times ?? 1 }
      active.push(added)
      return added
    },
    take(method: string, path: string): ActiveFault | undefined {
      const found = active.find((fault) => fits(fault, method, path))
      if (found === undefined || found.left === 'always') return found
      found.left--
      if (found.left === 0) active = active.filter((fault) => fault !== found)
      return found
    },
    list: (): readonly ActiveFault[] => active,
    remove(id: number): boolean {
      const before = active.length
      active = active.filter((fault) => fault.id !== id)
      return active.length < before
    },
    clear(): void {
      active = []
    },
  }
}

function invalid(details: FailureDetail[]): Failure {
  return new Failure('InvalidParameter', {
    message: `${details[0]?.path} ${details[0]?.message}`.trim(),
    details,
  })
}

function fits(fault: Fault, method: string, path: string): boolean {
  if (fault.method !== undefined && fault.method !== method) return false
  return [fault.path]
    .flat()
    .some((wanted) => (wanted.endsWith('*') ? path.startsWith(wanted.slice(0, -1)) : path === wanted))
}
