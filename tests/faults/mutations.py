"""Mutations of files: random damage, and files that another program might write."""

import io
import json
import re
import warnings

import numpy as np
from astropy.io import fits

_BLOCK = 2880
#: Values of a card that no reader expects, as they stand in the file.
VALUES = (
    "'text'",
    "'F444W'",
    "'-99'",
    "''",
    "",
    "NaN",
    "INF",
    "-1",
    "0",
    "1",
    "3",
    "-32",
    "7",
    "999",
    "1.5",
    "1E400",
    "-1E300",
    "99999999999999999999",
    "2147483648",
    "T",
    "F",
    "(1, 2)",
    "'never ends",
    "= = 7",
    "\x00\x01",
)
#: Values for cells of text tables and of options.
CELLS = ("", "nan", "inf", "-inf", "-99", "abc", "1e400", "0", "-1", "1,2", "--", "9" * 30, "NaN/x")
#: Values of any type for the metadata of models.
OBJECTS = (None, True, -1, 0, 1.5, 10**30, "text", "", [], [1], ["a", None], {}, {"a": 1}, [[1, 2]])


def _choice(rng, values):
    return values[int(rng.integers(len(values)))]


def flip_bit(data, rng):
    at = int(rng.integers(len(data)))
    return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]


def flip_in_data(data, rng):
    """Flip a bit behind the first block, where data are more likely."""
    return data[:_BLOCK] + flip_bit(data[_BLOCK:], rng) if len(data) > _BLOCK else data[:-1]


def cut(data, rng):
    return data[: int(rng.integers(len(data)))]


def cut_at_block(data, rng):
    return data[: _BLOCK * int(rng.integers(-(-len(data) // _BLOCK)))]


def zero_a_run(data, rng):
    at, n = int(rng.integers(len(data))), int(rng.integers(1, 5000))
    return data[:at] + bytes(len(data[at : at + n])) + data[at + n :]


def noise_in_a_run(data, rng):
    at, n = int(rng.integers(len(data))), int(rng.integers(1, 500))
    return data[:at] + rng.bytes(len(data[at : at + n])) + data[at + n :]


def append_bytes(data, rng):
    return data + _choice(rng, (b"\0", b"END", rng.bytes(50), bytes(_BLOCK), data[:_BLOCK]))


def lose_a_block(data, rng):
    at = _BLOCK * int(rng.integers(-(-len(data) // _BLOCK)))
    return data[:at] + data[at + _BLOCK :]


def repeat_a_block(data, rng):
    at = _BLOCK * int(rng.integers(-(-len(data) // _BLOCK)))
    return data[:at] + data[at : at + _BLOCK] + data[at:]


#: Damage of a disk or a transfer: sums and lengths must tell.
DAMAGE = (
    flip_bit,
    flip_in_data,
    cut,
    cut_at_block,
    zero_a_run,
    noise_in_a_run,
    append_bytes,
    lose_a_block,
    repeat_a_block,
)


def _cards(data):
    """Return the positions of the cards before END of all headers of a FITS file."""
    found = []
    with _opened(data) as hdus:
        for hdu in hdus:
            place = hdu.fileinfo()
            header = data[place["hdrLoc"] : place["datLoc"]]
            cards = range(place["hdrLoc"], place["datLoc"], 80)
            found += list(cards)[: header.rindex(b"END     ") // 80]
    return found


def _without_sums(data):
    """Return a FITS file whose sums are comments, as of a program that writes none."""
    return re.sub(rb"(CHECKSUM|DATASUM )= ", b"COMMENT   ", data)


def change_card(data, rng):
    """Give a card another value, or break it."""
    data = _without_sums(data)
    at = _choice(rng, _cards(data))
    card = f"{data[at : at + 8].decode()}= {_choice(rng, VALUES):>20}"
    return data[:at] + card.ljust(80)[:80].encode() + data[at + 80 :]


def lose_card(data, rng):
    data = _without_sums(data)
    at = _choice(rng, _cards(data))
    return data[:at] + b" " * 80 + data[at + 80 :]


def rename_card(data, rng):
    data = _without_sums(data)
    at = _choice(rng, _cards(data))
    name = _choice(rng, (b"XXX     ", b"NAXIS1  ", b"END     ", b"\xff\xfe      ", b"BUNIT   "))
    return data[:at] + name + data[at + 8 :]


def swap_cards(data, rng):
    data = _without_sums(data)
    a, b = sorted(_choice(rng, _cards(data)) for _ in range(2))
    if a == b:
        return data
    return data[:a] + data[b : b + 80] + data[a + 80 : b] + data[a : a + 80] + data[b + 80 :]


def _opened(data):
    return fits.open(io.BytesIO(data), memmap=False, disable_image_compression=True)


def _written(hdus):
    file = io.BytesIO()
    fits.HDUList(hdus).writeto(file, output_verify="ignore")
    return _without_sums(file.getvalue())


def change_pixels(data, rng):
    """Change pixels or cells of an HDU to values that mean nothing."""
    with _opened(data) as hdus:
        hdu = _choice(rng, [hdu for hdu in hdus if hdu.data is not None])
        values = hdu.data
        if values.dtype.names:
            values = values[_choice(rng, values.dtype.names)]
        number = _choice(rng, (np.nan, np.inf, -np.inf, -99.0, 0.0, 1e38, -1e38, 3e-45, 2.0**31))
        if values.dtype.kind in "iu":
            number = int(_choice(rng, (-1, 0, 99, 2**15 - 1, -(2**15))))
        elif values.dtype.kind != "f":
            return data
        where = rng.random(values.shape) < _choice(rng, (0.001, 0.1, 1.1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values[where] = number
        return _written(hdus)


def change_shape(data, rng):
    """Change the shape or the type of an image."""
    with _opened(data) as hdus:
        images = [i for i, hdu in enumerate(hdus) if hdu.is_image and hdu.data is not None]
        if not images:
            return data
        hdu = hdus[_choice(rng, images)]
        image, kind = hdu.data, int(rng.integers(9))
        if kind == 0:
            hdu.data = image[..., : max(1, image.shape[-1] // 2)].copy()
        elif kind == 1:
            hdu.data = image.T.copy()
        elif kind == 2:
            hdu.data = np.array([image, image])
        elif kind == 3:
            hdu.data = image[0].copy()
        elif kind == 4:
            hdu.data = image[..., :1].copy()
        elif kind == 5:
            hdu.data = np.nan_to_num(image).clip(0, 255).astype(np.uint8)
        elif kind == 6:
            hdu.data = np.nan_to_num(image).clip(-1e4, 1e4).astype(np.int16)
            hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 3.0
        elif kind == 7:
            hdu.data = np.nan_to_num(image).clip(0, 1e9).astype(np.uint32)
        else:
            hdu.data = np.where(np.isfinite(image), image, 0).astype(np.int64)
        return _written(hdus)


def change_hdus(data, rng):
    """Remove, repeat, reorder or rename HDUs."""
    with _opened(data) as hdus:
        items = list(hdus)
        i, kind = int(rng.integers(len(items))), int(rng.integers(4))
        if kind == 0:
            del items[i]
        elif kind == 1:
            items.append(items[i].copy())
        elif kind == 2:
            items[1:] = items[:0:-1]
        else:
            items[i].name = _choice(rng, ("WHT", "DQ", "SCI", "ERR", "X", ""))
        if not items or not isinstance(items[0], fits.PrimaryHDU):
            items.insert(0, fits.PrimaryHDU())
        return _written(items)


def change_columns(data, rng):
    """Remove, rename or convert a column of a table, or all of its rows."""
    with _opened(data) as hdus:
        tables = [i for i, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            return data
        i = _choice(rng, tables)
        columns, rows = list(hdus[i].columns), hdus[i].data
        j, kind = int(rng.integers(len(columns))), int(rng.integers(6))
        name = columns[j].name
        if kind == 0:
            del columns[j]
        elif kind == 1:
            columns[j] = fits.Column(name, "12A", array=["abc"] * len(rows))
        elif kind == 2:
            columns[j] = fits.Column(name, "2D", array=np.full((len(rows), 2), 1.5))
        elif kind == 3:
            columns[j] = fits.Column(name, "PJ()", array=np.array([[1]] * len(rows), dtype=object))
        elif kind == 4:
            columns[j] = fits.Column(name, "L", array=np.ones(len(rows), bool))
        else:
            columns = [fits.Column(c.name, c.format, array=rows[c.name][:0]) for c in columns]
        hdus[i] = fits.BinTableHDU.from_columns(columns, header=hdus[i].header)
        return _written(hdus)


#: What another program may have written: a result or a clear error, but no other end.
FITS = (
    change_card,
    change_card,
    change_card,
    lose_card,
    rename_card,
    swap_cards,
    change_pixels,
    change_shape,
    change_hdus,
    change_columns,
)


def change_cell(data, rng):
    """Change one cell of a text table."""
    lines = data.decode().split("\n")
    rows = [i for i, line in enumerate(lines) if line and not line.startswith("#")]
    i = _choice(rng, rows)
    sign = "," if "," in lines[i] else " "
    cells = lines[i].split(sign)
    cells[int(rng.integers(len(cells)))] = _choice(rng, CELLS)
    lines[i] = sign.join(cells)
    return "\n".join(lines).encode()


def change_lines(data, rng):
    """Remove, repeat or cut a line of a text file."""
    lines = data.decode().split("\n")
    i, kind = int(rng.integers(len(lines))), int(rng.integers(4))
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(i, lines[i])
    elif kind == 2:
        lines[i] = lines[i][: len(lines[i]) // 2]
    else:
        lines[i] += ",7,7" if "," in lines[i] else " 7 7"
    return "\n".join(lines).encode()


def change_encoding(data, rng):
    kind = int(rng.integers(5))
    if kind == 0:
        return data.decode().encode("utf-16")
    if kind == 1:
        return b"\xef\xbb\xbf" + data
    if kind == 2:
        return data.replace(b"\n", b"\r\n")
    if kind == 3:
        return data.replace(b",", b";")
    return data.replace(b"1", b"\0")


TEXT = (change_cell, change_cell, change_lines, change_encoding, flip_bit, cut, noise_in_a_run)


def _change_object(value, rng):
    """Return an object of JSON with one value, somewhere, replaced or removed."""
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    if not inner:
        return _choice(rng, OBJECTS)
    key, item = inner[int(rng.integers(len(inner)))]
    copy = dict(value) if isinstance(value, dict) else list(value)
    if isinstance(item, dict | list) and item and rng.random() < 0.6:
        copy[key] = _change_object(item, rng)
    elif rng.random() < 0.2:
        del copy[key]
    else:
        copy[key] = _choice(rng, OBJECTS)
    return copy


def change_metadata(data, rng):
    """Change a value of the metadata of a model."""
    import onnx

    model = onnx.load_from_string(data)
    prop = next(prop for prop in model.metadata_props if prop.key == "pixsed")
    prop.value = json.dumps(_change_object(json.loads(prop.value), rng))
    return _signed(model)


def change_graph(data, rng):
    """Change the operators, inputs, outputs, opset or constants of a model."""
    import onnx

    model = onnx.load_from_string(data)
    graph, kind = model.graph, int(rng.integers(7))
    if kind == 0:
        _choice(rng, graph.node).op_type = _choice(rng, ("Add", "NoSuch", "Concat", "Loop"))
    elif kind == 1:
        _choice(rng, graph.input).name = "other"
    elif kind == 2:
        _choice(rng, graph.output).name = "other"
    elif kind == 3:
        model.opset_import[0].version = int(_choice(rng, (0, 1, 7, 99)))
    elif kind == 4:
        dim = _choice(rng, _choice(rng, graph.input).type.tensor_type.shape.dim)
        dim.dim_value = int(_choice(rng, (1, 3, 10**6)))
    elif kind == 5:
        tensor = _choice(rng, graph.initializer)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": "../im.fits", "length": "4"}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        for field in ("float_data", "int64_data", "raw_data"):
            tensor.ClearField(field)
    else:
        _choice(rng, graph.node).domain = "com.other"
    return _signed(model)


def _signed(model):
    """Return the bytes of a model, with a new digest if it had one."""
    from pixsed.fit.graph_check import DIGEST_KEY, signed

    content = model.SerializeToString()
    has_digest = any(prop.key == DIGEST_KEY for prop in model.metadata_props)
    return signed(content) if has_digest else content


MODEL = (change_metadata, change_metadata, change_graph)


def change_checkpoint(data, rng):
    """Change a value of a checkpoint."""
    import torch

    content = torch.load(io.BytesIO(data), weights_only=True)
    file = io.BytesIO()
    torch.save(_change_object(content, rng), file)
    return file.getvalue()


CHECKPOINT = (change_checkpoint,)


def mutations(name):
    """Return the mutations that fit a file of this name: of damage, and of content."""
    if name.endswith((".fits", ".fz")):
        return DAMAGE, FITS
    if name.endswith(".onnx"):
        return DAMAGE, MODEL
    if name.endswith(".ckpt"):
        return DAMAGE, CHECKPOINT
    if name.endswith(".gz"):
        return DAMAGE, ()
    return (), TEXT
