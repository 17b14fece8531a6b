// Stage light: beams, haze and floor. `heat` (0 to 1) is how much is going on.

export function Lights({ heat, dark = false }: { heat: number; dark?: boolean }) {
  return (
    <div class="lights" data-dark={dark} style={`--heat:${heat.toFixed(2)}`} aria-hidden="true">
      <i class="beam beam-1" /><i class="beam beam-2" /><i class="beam beam-3" /><i class="beam beam-4" /><i class="beam beam-5" />
      <i class="haze" /><i class="floor" />
    </div>
  );
}
