"""The interactive pages: a Dash application below ``/app``, whose scripts all come from installed packages."""
