"""Small pictures in the place of figures, which take longer to draw than all the rest."""

PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><rect width="300" height="200"/></svg>'
PICTURES = {
    f"{name}.svg": PICTURE
    for name in ("answer", "verdict", "parallel", "accuracy", "early_stop", "curves", "pixels")
}
