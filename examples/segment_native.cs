// One slice through a bundle's plan with libminiseg, from C#. The declarations are miniseg.h's, for P/Invoke.
//
//   segment_native MODEL.miniseg SHA256 SLICE.pgm MASK.pgm
//
// The digest is that of the bundle's manifest. SLICE.pgm is binary PGM ("P5"), 8 bits, grey 0..255, of the bundle's size;
// MASK.pgm gets 255 where lesion. Exit codes: 0 done, 1 error, 2 usage. The library lies beside the program: miniseg.dll,
// libminiseg.so or libminiseg.dylib. It needs no unsafe code, and nothing newer than C# 7.
using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

static class Miniseg
{
    public const uint Best = 0, U8 = 1, Mask = 1, Grey = 0;

    [StructLayout(LayoutKind.Sequential)]
    public struct Error
    {
        public int Code;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 252)] public byte[] Bytes;
        public string Message => Encoding.UTF8.GetString(Bytes, 0, Math.Max(0, Array.IndexOf(Bytes, (byte)0)));
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Description
    {
        public uint StructSize, PlanVersion, Values, Result, Channels, Classes;
        [MarshalAs(UnmanagedType.ByValArray, SizeConst = 4)] public uint[] Widths, Depths, LongDepths;
        public uint InstructionSet;
        public ulong Parameters;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ContextOptions
    {
        public uint StructSize, Threads, MaxHeight, MaxWidth;
        public ulong MaxMemory;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Slice
    {
        public uint StructSize, Type;
        public IntPtr Pixels;
        public uint Height, Width;
        public long ChannelStride, RowStride, PixelStride;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Output
    {
        public uint StructSize, Result;
        public IntPtr Pixels;
        public long ChannelStride, RowStride;
    }

    public static uint SizeOf<T>() => (uint)Marshal.SizeOf(typeof(T));

    const string Library = "miniseg";
    const CallingConvention C = CallingConvention.Cdecl;

    [DllImport(Library, CallingConvention = C)]
    public static extern int miniseg_open(byte[] plan, UIntPtr size, uint set, out IntPtr model, out Error error);
    [DllImport(Library, CallingConvention = C)]
    public static extern void miniseg_close(IntPtr model);
    [DllImport(Library, CallingConvention = C)]
    public static extern int miniseg_describe(IntPtr model, ref Description description, out Error error);
    [DllImport(Library, CallingConvention = C)]
    public static extern int miniseg_context_open(IntPtr model, ref ContextOptions options, out IntPtr context, out Error error);
    [DllImport(Library, CallingConvention = C)]
    public static extern void miniseg_context_close(IntPtr context);
    [DllImport(Library, CallingConvention = C)]
    public static extern int miniseg_run(IntPtr context, ref Slice slice, ref Output output, out Error error);
}

static class Program
{
    sealed class Refused : Exception
    {
        public Refused(string code, string what) : base(code + ": " + what) { }
    }

    static int Main(string[] words)
    {
        if (words.Length != 4)
        {
            Console.Error.WriteLine("usage: segment_native MODEL.miniseg SHA256 SLICE.pgm MASK.pgm");
            return 2;
        }
        try
        {
            byte[] plan = Read(words[0], "BUNDLE"), file = Read(words[2], "UNSUPPORTED_FORMAT");
            if (Digest(plan) != words[1]) throw new Refused("INTEGRITY", "the plan was changed");
            Match header = Regex.Match(Encoding.ASCII.GetString(file, 0, Math.Min(file.Length, 20)), @"^P5\s(\d{1,4})\s(\d{1,4})\s255\s");
            int width = header.Success ? int.Parse(header.Groups[1].Value) : 0, height = header.Success ? int.Parse(header.Groups[2].Value) : 0;
            if (width * height == 0 || width * height != file.Length - header.Length)
                throw new Refused("UNSUPPORTED_FORMAT", "the slice is no binary PGM of 8 bits");
            var pixels = new byte[width * height];
            Array.Copy(file, header.Length, pixels, 0, pixels.Length);
            Write(words[3], Segmented(plan, pixels, (uint)height, (uint)width), height, width);
            return 0;
        }
        catch (Refused refused)
        {
            Console.Error.WriteLine(refused.Message);
            return 1;
        }
    }

    // The class of each pixel; throws what the library refuses.
    static byte[] Segmented(byte[] plan, byte[] pixels, uint height, uint width)
    {
        var mask = new byte[pixels.Length];
        var about = new Miniseg.Description { StructSize = Miniseg.SizeOf<Miniseg.Description>(), Widths = new uint[4], Depths = new uint[4], LongDepths = new uint[4] };
        var options = new Miniseg.ContextOptions { StructSize = Miniseg.SizeOf<Miniseg.ContextOptions>(), Threads = 2, MaxHeight = height, MaxWidth = width };
        IntPtr model = IntPtr.Zero, context = IntPtr.Zero;
        GCHandle from = GCHandle.Alloc(pixels, GCHandleType.Pinned), to = GCHandle.Alloc(mask, GCHandleType.Pinned);
        try
        {
            Miniseg.Error error;
            if (Miniseg.miniseg_open(plan, (UIntPtr)plan.Length, Miniseg.Best, out model, out error) != 0) throw new Refused("INCOMPATIBLE", error.Message);
            if (Miniseg.miniseg_describe(model, ref about, out error) != 0) throw new Refused("INFERENCE", error.Message);
            if (about.Values != Miniseg.Grey || about.Channels != 1) throw new Refused("INCOMPATIBLE", "the plan takes no grey slices");
            if (Miniseg.miniseg_context_open(model, ref options, out context, out error) != 0) throw new Refused("HOST_LIMIT", error.Message);
            var slice = new Miniseg.Slice
            {
                StructSize = Miniseg.SizeOf<Miniseg.Slice>(), Type = Miniseg.U8, Pixels = from.AddrOfPinnedObject(),
                Height = height, Width = width, RowStride = width, PixelStride = 1,
            };
            var output = new Miniseg.Output
            {
                StructSize = Miniseg.SizeOf<Miniseg.Output>(), Result = Miniseg.Mask, Pixels = to.AddrOfPinnedObject(), RowStride = width,
            };
            if (Miniseg.miniseg_run(context, ref slice, ref output, out error) != 0) throw new Refused("INFERENCE", error.Message);
        }
        finally
        {
            Miniseg.miniseg_context_close(context);
            Miniseg.miniseg_close(model);
            from.Free();
            to.Free();
        }
        if (Array.IndexOf(mask, (byte)255) >= 0) throw new Refused("NUMERIC", "the logits are not finite; the mask was discarded");
        return mask;
    }

    // Read once: the bytes that are hashed are the bytes that are parsed.
    static byte[] Read(string path, string code)
    {
        try { return File.ReadAllBytes(path); }
        catch (Exception error) when (error is IOException || error is UnauthorizedAccessException) { throw new Refused(code, "a file cannot be read"); }
    }

    static string Digest(byte[] bytes)
    {
        using (var hash = SHA256.Create()) return BitConverter.ToString(hash.ComputeHash(bytes)).Replace("-", "").ToLowerInvariant();
    }

    static void Write(string path, byte[] classes, int height, int width)
    {
        byte[] header = Encoding.ASCII.GetBytes("P5\n" + width + " " + height + "\n255\n"), whole = new byte[header.Length + classes.Length];
        header.CopyTo(whole, 0);
        for (int i = 0; i < classes.Length; i++) whole[header.Length + i] = (byte)(classes[i] == 0 ? 0 : 255);
        try { File.WriteAllBytes(path, whole); }
        catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
        {
            try { File.Delete(path); } catch (Exception again) when (again is IOException || again is UnauthorizedAccessException) { }
            throw new Refused("OUTPUT", "the mask cannot be written");
        }
    }
}
